"""The stages of an application that classifies dated rows, made of its description alone.

A step's modules are imported in its function: torch, Spark ML and Great Expectations take seconds each to import, and no
step needs them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from infra.tables import hadoop
from infra.tables.hive import Table
from pipelines.binary import inputs
from pipelines.binary.tabular import Files, OtherTable, Tabular
from pipelines.dated.pinning import Pinned
from pipelines.outcome import Skip, Step
from pipelines.runner.published import champion, registry
from pipelines.runner.reporting import reported, versions
from pipelines.runner.run import Run, Stage

if TYPE_CHECKING:
    from dlcore import Training
    from infra.expectations import Expectation
    from pipelines.binary.frames.bag import Bag
    from pipelines.binary.frames.statistics import Statistics
    from pipelines.binary.models.fitting import Setting
    from pipelines.dated.judge import Judge


def tabular(app: Tabular) -> Mapping[str, Stage]:
    """Every step of the application: by date ingest, engineer and score; by training pin to publish; and the report."""
    steps = Steps(app=app)
    late = {"labels": Stage(steps.labels, "hive", each="date")} if app.label_files else {}
    return {
        "ingest": Stage(steps.ingest, "hive", each="date"),
        **late,
        "engineer": Stage(steps.engineer, "hive", each="date", reads=("ingest",)),
        "pin": Stage(steps.pin, "hive"),
        "split": Stage(steps.split, "spark", reads=("pin",)),
        "search": Stage(steps.search, "spark", reads=("split",)),
        "train": Stage(steps.train, "spark", each="member", reads=("split",), may_read=("search",)),
        "baselines": Stage(steps.baselines, "spark", reads=("split",)),
        "evaluate": Stage(steps.evaluate, "none", reads=("pin", "split", "train", "baselines")),
        "quantise": Stage(steps.quantise, "none", reads=("split", "evaluate")),
        "publish": Stage(steps.publish, "spark" if app.pipeline else "none", reads=("split", "quantise")),
        "score": Stage(steps.score, "hive", each="date", may_read=("engineer", "pin", "publish")),
        "report": Stage(steps.report, "none"),
    }


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Turns a run's parameters into each step of ``app``."""

    app: Tabular

    def ingest(self, run: Run) -> Step:
        return self.ingested(run, run.ds, self.app.source, self.app.name, self.app.rows, self.app.gates().rows)

    def labels(self, run: Run) -> Step:
        """Those that are due on the run's day: of the day that lies ``labels.delay_days`` before it."""
        from infra.expectations import one_of, unique

        labels, files = self.app.labels, self.app.label_files
        assert labels is not None and files is not None
        if (due := labels.known_on(run.ds)) in self.app.gaps:
            return Skip(why=f"labels of {due} would be due, and there are no rows of it")
        expectations = (unique(tuple(labels.on.values())), one_of(labels.label, [0, 1]))
        return self.ingested(run, due, files, f"{self.app.name}_labels", labels.table, expectations)

    def ingested(
        self,
        run: Run,
        ds: str,
        source: Files | OtherTable,
        folder: str,
        table: Table,
        expectations: Sequence[Expectation],
    ) -> Step:
        """Takes the delivery of the date ``ds`` into ``table``."""
        from pipelines.dated.ingest import Ingest

        return Ingest(
            source=source.of(hadoop.uri(run.settings.landing), folder, ds),
            header=source.header,
            rules=source.rules(ds),
            optional=self.app.nullable & set(source.header.values()),
            repeats=source.repeats,
            null=source.null,
            table=table,
            quarantine=self.app.refused(table),
            judge=self.judge(table, expectations),
            ds=ds,
            run_id=run.id,
        )

    def engineer(self, run: Run) -> Step:
        from pipelines.dated.engineer import Engineer

        published = registry(run)
        return Engineer(
            source=self.app.rows,
            table=self.app.features,
            inputs=run.outcome("ingest", run.ds).partitions[:1],
            transform=self.app.transform,
            judge=replace(
                self.judge(self.app.features, self.app.gates().features),
                profile=published.champion().details["profile"] if published.pointers().champion else None,
                stop_on_drift=run.params["stop_on_drift"],
            ),
            history_days=self.app.history_days,
            gaps=self.app.gaps,
            labels=self.app.labels if self.app.labels and self.app.labels.delay_days else None,
            run_id=run.id,
        )

    def pin(self, run: Run) -> Step:
        from pipelines.dated.pinning import Pin

        dates = tuple(ds for ds in run.dates if ds not in self.app.gaps)
        return Pin(table=self.app.features, source=self.app.rows, dates=dates, labels=self.app.labels)

    def split(self, run: Run) -> Step:
        from features.drift import profile
        from pipelines.binary.frames.split import Split

        return Split(
            rows=run.result("pin", Pinned).rows,
            labels=inputs.labels(run, self.app.labels),
            features=self.app.model_features,
            into=run.folder / "frame",
            roles=self.app.roles,
            pipeline=self.app.pipeline,
            profile=partial(profile, error=0.0),
            bins=self.app.bins,
        )

    def search(self, run: Run) -> Step:
        from pipelines.binary.search import Search

        return Search(
            frames=inputs.frames(run),
            into=run.folder / "search",
            settings=self.app.fitting().grid,
            training=self.training(run),
            bag=self.bag(run.params["seed"], member=0),
        )

    def train(self, run: Run) -> Step:
        from pipelines.binary.train import Train

        setting, split = self.setting(run), inputs.frames(run)
        return Train(
            frames=split,
            into=run.folder / "members" / f"{run.member:03d}",
            bag=self.bag(run.params["seed"], run.member),
            fitting=self.app.fitting(),
            setting=setting,
            training=partial(self.training(run), setting, split.statistics),
            workers=run.params["workers"],
        )

    def baselines(self, run: Run) -> Step:
        from pipelines.binary.baselines import Baselines

        return Baselines(
            frames=inputs.frames(run),
            into=run.folder / "baselines",
            roles=self.app.roles,
            seed=run.params["seed"],
            settings=self.app.baselines,
        )

    def evaluate(self, run: Run) -> Step:
        from pipelines.binary.baselines import Fitted
        from pipelines.binary.evaluate import Evaluate
        from pipelines.binary.measures.scored import Cost
        from pipelines.binary.models.ensemble import Member

        numbers = range(run.params["members"])
        return Evaluate(
            frames=inputs.frames(run),
            members=tuple(run.result("train", Member, f"{number:03d}") for number in numbers),
            baselines=run.result("baselines", Fitted).baselines,
            into=run.folder / "candidate",
            networks=self.app.fitting().networks,
            roles=self.app.roles,
            cost=Cost(review=self.app.review_cost),
            partitions=run.result("pin", Pinned).partitions,
            versions=versions(),
            seed=run.params["seed"],
            words=self.app.words,
        )

    def quantise(self, run: Run) -> Step:
        from dlcore import Artifact, AveragePrecision
        from pipelines.binary.measures.scored import Cost
        from pipelines.binary.models.ensemble import models
        from pipelines.binary.rescored import Rescored, sample, validation
        from pipelines.quantise import Candidate, Quantise

        candidate, frames, roles = run.result("evaluate", Candidate), inputs.frames(run), self.app.roles
        return Quantise(
            candidate=candidate.folder,
            into=run.folder / "quantised",
            load=partial(Artifact.load, models=models(self.app.fitting().networks)),
            calibration=lambda _: sample(frames, roles.label),
            validation=lambda _: validation(frames, roles.label),
            label=roles.label,
            metric=AveragePrecision(),
            bound=run.params["int8_bound"],
            choose=Rescored(frames=frames, roles=roles, cost=Cost(review=self.app.review_cost)),
        )

    def publish(self, run: Run) -> Step:
        from pipelines.binary.meeting import Meeting
        from pipelines.publish import Publish
        from pipelines.quantise import Quantised

        return Publish(
            candidate=run.result("quantise", Quantised).folder,
            registry=registry(run),
            compare=Meeting(
                frames=inputs.frames(run),
                networks=self.app.fitting().networks,
                roles=self.app.roles,
                scratch=run.folder / "meeting",
            ),
            run_id=run.id,
            keep=run.settings.versions_kept,
        )

    def score(self, run: Run) -> Step:
        from infra.expectations import between, one_of
        from pipelines.binary.score import Score

        sound = (between("probability", 0, 1), one_of("decision", [0, 1]))
        return Score(
            ds=run.ds,
            partition=inputs.engineered(run),
            features=self.app.features,
            scores=self.app.scores,
            registry=registry(run),
            version=champion(run),
            networks=self.app.fitting().networks,
            key=self.app.roles.key,
            judge=self.judge(self.app.scores, sound),
            scratch=run.folder / "preparation",
            run_id=run.id,
        )

    def report(self, run: Run) -> Step:
        return reported(run, self.app.title)

    def judge(self, table: Table, expectations: Sequence[Expectation]) -> Judge:
        """Holds a date of a table to its schema, its keys, no null where none may be, and ``expectations``."""
        from infra.expectations import not_null, schema, unique
        from pipelines.dated.judge import Judge

        key = self.app.roles.key
        filled = [name for name in table.schema.names if name not in self.app.nullable]
        whole = [*schema(table.schema), unique(key), *[not_null(name) for name in filled]]
        return Judge(expectations=[*whole, *expectations], key=key)

    def bag(self, seed: int, member: int) -> Bag:
        """The draw of one member."""
        from pipelines.binary.frames.bag import Bag

        app = self.app
        return Bag(seed=seed, member=member, roles=app.roles, oversample=app.oversample, undersample=app.undersample)

    def training(self, run: Run) -> Callable[[Setting, Statistics, int], Training]:
        """The training of one member or trial on the rows drawn, by the run's parameters."""
        seed = 1000 * run.params["seed"] + run.member  # so that each member begins with weights of its own
        return partial(self.app.fitting().of, batch=run.params["batch"], epochs=run.params["epochs"], seed=seed)

    def setting(self, run: Run) -> Setting:
        """The setting that search found best in this run, else the member's of the parameter ``model``."""
        from pipelines.binary.search import Winner

        if run.params["search"]:
            return run.result("search", Winner).setting
        return self.app.fitting().member(run.params["model"], run.member)
