"""What a training is and how patiently it is run, whoever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass

from dlcore.data.pieces import RESIDENT_BYTES
from dlcore.metrics.metric import Metric
from dlcore.metrics.tally import refuse_unnamed
from dlcore.optim.schedules import follows_validation
from dlcore.step.method import Method
from dlcore.step.triggers import RECORDS, AnyOf, Pauses, Trigger, needs_validation


@dataclass(frozen=True, kw_only=True)
class Plan(Method):
    """A method, and how patiently it is run.

    A group of steps, after which the state is committed, lasts at most ``group_s`` seconds, and less where that keeps pauses between
    groups under 2 % of the time. A worker that is silent for ``patience_s`` seconds counts as hung. A group that loses workers runs
    again, ``retries`` times in a row. When ``slots_wait_s`` seconds bring no slots for all workers, a group begins with those there are
    if they are ``least_workers`` or more, and later ones with more when they come; unless set, it needs all. With ``logical_workers``,
    which need one unless set, none but the first group waits. With ``shard_optimizer`` each worker holds the optimizer's state of its
    part of the parameters, and the result is the same for any optimizer that works parameter by parameter. The newest
    ``keep_commits`` commits stay.

    Data of up to ``resident_bytes`` is held by each worker in its own memory, larger data mapped. ``loaders`` of a task's cores run
    the transform, ahead of the steps, and torch has the others; on one core the training thread does both.

    A record is made when ``record`` says so, of each validation, and at the end; those of validations tell the ``metrics`` too. The state
    is committed at the end of a group, and each group ends when ``commit`` says so. None of these changes anything of the training.
    """

    group_s: float = 60.0
    patience_s: float = 120.0
    retries: int = 3
    slots_wait_s: float = 60.0
    least_workers: int | None = None
    shard_optimizer: bool = False
    keep_commits: int = 2
    resident_bytes: int = RESIDENT_BYTES
    loaders: int = 1
    metrics: Sequence[Metric] = ()
    record: Trigger = RECORDS
    commit: Trigger | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard_optimizer and self.average_every is not None:
            raise ValueError(
                "Training.shard_optimizer has each parameter stepped by one worker, average_every by all; leave one of them out"
            )
        refuse_unnamed(self.metrics)
        for name in ("group_s", "patience_s", "keep_commits", "least_workers"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"Training.{name} must be positive, got {value}")
        for name in ("retries", "slots_wait_s", "resident_bytes", "loaders"):
            if not (value := getattr(self, name)) >= 0:
                raise ValueError(f"Training.{name} must be zero or more, got {value}")

    @property
    def pauses(self) -> Pauses:
        """When it records, and when it commits: as ``commit`` says, and whenever a validation is the best."""
        commits = [trigger for trigger in (self.commit, self.keep_best) if trigger is not None]
        return Pauses(record=self.record, commit=AnyOf(*commits) if commits else None)

    @property
    def following(self) -> list[str]:
        """The settings that follow what validations find."""
        triggers = ("validate", "end", "record", "commit", "keep_best")
        found = [name for name in triggers if needs_validation(getattr(self, name))]
        return ["schedule", *found] if follows_validation(self.schedule) else found

    @property
    def loading(self) -> int:
        """The cores that transform rows, where there is a transform."""
        return self.loaders if self.transform is not None else 0
