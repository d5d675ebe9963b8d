"""Spark jobs known by a tag of their own: how many attempts at their tasks there are, and their end."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark import SparkContext


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """How many attempts at tasks there are."""

    active: int = 0
    completed: int = 0
    failed: int = 0


class TaggedJobs:
    """The jobs that begin within ``tagging``."""

    def __init__(self, context: SparkContext) -> None:
        self._context, self.tag = context, f"dlcore-{uuid.uuid4().hex[:8]}"

    @contextmanager
    def tagging(self) -> Iterator[None]:
        """Tag the jobs that this thread starts in the body."""
        self._context.addJobTag(self.tag)
        try:
            yield
        finally:
            self._context.removeJobTag(self.tag)

    def cancel(self) -> None:
        """End them, and with them the Python of their tasks, whatever it is at."""
        self._context.cancelJobsWithTag(self.tag)

    def tasks(self) -> Tasks:
        infos = [stage.get() for stage in map(self._tracker().getStageInfo, self.stages()) if stage.isDefined()]
        return Tasks(
            active=sum(info.numActiveTasks() for info in infos),
            completed=sum(info.numCompletedTasks() for info in infos),
            failed=sum(info.numFailedTasks() for info in infos),
        )

    @property
    def others(self) -> bool:
        """Whether other jobs run; Spark counts their tasks some seconds late."""
        return not set(self._tracker().getActiveStageIds()) <= set(self.stages())

    def stages(self) -> list[int]:
        tracker = self._tracker()
        jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForTag(self.tag)]
        return [stage for job in jobs if job.isDefined() for stage in job.get().stageIds()]

    def _tracker(self) -> Any:
        return self._context._jsc.sc().statusTracker()
