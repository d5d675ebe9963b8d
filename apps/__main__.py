"""The command line: ``python -m apps fraud train --ds 2013-09-02 --member 3``, by hand or under spark-submit."""

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra import settings
from infra.processes import end_with_parent, end_with_submitter
from pipelines.runner import params
from pipelines.runner.perform import attempt, refused
from pipelines.runner.run import Run, Stage, pinned

APPS = Path(__file__).parent
LOG_FORMAT = "%(asctime)s %(levelname)s [{run}] %(name)s: %(message)s"


def arguments(app: str, schema: params.Schema, steps: Mapping[str, Stage]) -> argparse.ArgumentParser:
    """The command line of one app: its steps, and an option for each of its parameters."""
    parser = argparse.ArgumentParser(prog=f"apps {app}", description=f"Run one step of {app}.")
    parser.add_argument("step", choices=steps)
    parser.add_argument("--run", default="by-hand", help="the run's id; its folder holds what earlier steps left")
    parser.add_argument("--by", default="hand", help="who triggers the run")
    parser.add_argument("--ds", default=None, help="logical date of this step, YYYY-MM-DD")
    parser.add_argument("--member", type=int, default=0, help="ensemble member that this step trains")
    parser.add_argument("--params", default="{}", help="parameters as one JSON object")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a setting")
    for name, rule in schema.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=rule["description"])
    return parser


def requested(app: str, argv: list[str], steps: Mapping[str, Stage]) -> tuple[str, Run]:
    """Turn a command line into a step's name and a run: parameters that are not given are the run's own, then the defaults."""
    schema = params.schema(APPS / app / "params.json")
    given = arguments(app, schema, steps).parse_args(argv)
    named = {name: params.parsed(rule, value) for name, rule in schema.items() if (value := getattr(given, name))}
    known = settings.load(given.set)
    begun = pinned(known.run_folder(app, given.run)) or {"params": {}}
    values = params.validated(schema, begun["params"] | json.loads(given.params) | named)
    ds = given.ds or values.get("last_date") or values.get("first_date")
    if not ds:
        raise ValueError("a step needs its date: give --ds, or the run's --first-date and --last-date")
    run = Run(app=app, id=given.run, ds=ds, member=given.member, params=values, settings=known, by=given.by)
    return given.step, run


def main(argv: list[str]) -> None:
    """Run the step named on the command line and write its outcome."""
    if not argv or argv[0].startswith("-"):
        raise SystemExit(
            "usage: python -m apps APP STEP [options], or python -m apps new --help; apps: " + ", ".join(apps())
        )
    app, *rest = argv
    if app == "new":
        importlib.import_module("apps.new.command").main(rest)  # here, since it imports pandas
        return
    if app not in apps():
        raise SystemExit(f"no app named {app!r}; there are: " + ", ".join(apps()))
    if rest[:1] == ["models"]:
        models = importlib.import_module(
            "pipelines.runner.models"
        )  # here, since it imports torch, which most steps do not need
        models.main(app, Path(settings.load().registry) / app, rest[1:])
        return
    recipe = importlib.import_module(f"apps.{app}.recipe")
    try:
        name, run = requested(app, rest, recipe.STEPS)
    except ValueError as error:
        raise refused(str(error)) from None
    run.settings.keep_private()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT.format(run=run.id), force=True)
    for library in ("py4j", "great_expectations"):
        logging.getLogger(library).setLevel(logging.WARNING)
    attempt(name, run, recipe.STEPS[name])


def apps() -> list[str]:
    """The names of the apps: each folder here that holds a recipe."""
    return sorted(recipe.parent.name for recipe in APPS.glob("*/recipe.py"))


if __name__ == "__main__":
    os.umask(0o077)  # what a run leaves is its user's alone
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # submitted: whoever cancels the task ends the JVM, and we go with it
        end_with_parent()
        if submitter := os.environ.get("EMBERLINE_SUBMITTER"):
            end_with_submitter(int(submitter))
    main(sys.argv[1:])
