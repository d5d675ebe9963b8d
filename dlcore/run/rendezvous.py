"""How workers meet at the start of a group: each claims what it still holds, and one pure function decides who is who.

The rank belongs to the process: a worker that comes back with the state that the group starts from keeps its rank whatever
partition it was given. If any claim does not fit, all load the committed state and build a new process group.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dlcore.parallel.collective import BrokenGroup
from dlcore.run.control import ControlClient

REPEATED_S = 0.5
"""How often an attempt that takes no part looks for the end of that which does."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a process still holds of this run: its rank in process group ``generation``, and the step of its state."""

    rank: int = -1
    generation: str = ""
    step: int = -1


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The rank of each claim, in the order of arrival, and whether all go on as they are."""

    ranks: tuple[int, ...]
    warm: bool


def agree(claims: Sequence[Claim], *, step: int) -> Agreement:
    """Decide ranks for a group that starts at ``step``: unchanged if every claim fits, else kept where possible."""
    everyone = set(range(len(claims)))
    one_group = len({claim.generation for claim in claims}) == 1 and claims[0].generation != ""
    warm = one_group and {claim.rank for claim in claims} == everyone and all(c.step == step for c in claims)
    taken: dict[int, int] = {}
    for place, claim in enumerate(claims):
        if claim.rank in everyone and claim.rank not in taken.values():
            taken[place] = claim.rank
    free = sorted(everyone - set(taken.values()), reverse=True)
    return Agreement(ranks=tuple(taken[p] if p in taken else free.pop() for p in range(len(claims))), warm=warm)


def begins(control: ControlClient, key: str, task: int) -> bool:
    """Whether this attempt at a task of the group's is the first, and the group is not over: all others take no part in it."""
    return control.look(left(key)) is None and control.count(f"{key}/task/{task}") == 0


def outcome(control: ControlClient, key: str, task: int) -> dict[str, Any] | None:
    """What the first attempt at a task ends with, when it has; None where the group is over or broken.

    Spark takes either attempt's result, and ends the other: that of the first has reached it by then.
    """
    while True:
        time.sleep(REPEATED_S)
        told: dict[str, Any] | None = control.look(ended(key, task))
        if told or control.look(left(key)):
            return told


def meet(control: ControlClient, key: str, claim: Claim, *, workers: int, step: int) -> tuple[int, bool]:
    """Exchange claims under ``key`` and return this worker's rank and whether it goes on as it is."""
    place = control.count(f"{key}/arrived")
    control.post(f"{key}/claim/{place}", asdict(claim))
    if place == workers - 1:
        claims = [Claim(**control.wait(f"{key}/claim/{each}")) for each in range(workers)]
        agreement = agree(claims, step=step)
        control.post(f"{key}/agreement", asdict(agreement))
    answer = control.wait(f"{key}/agreement")
    if not answer:
        raise BrokenGroup("another worker was lost before the group met")
    return int(answer["ranks"][place]), bool(answer["warm"])


def all_ready(control: ControlClient, key: str, *, workers: int) -> None:
    """Wait until every worker has come here, before any of them waits in a collective that cannot be left.

    A worker that copies data may take longer than the others' patience, as long as it shows by signs that it comes on.
    """
    if control.count(f"{key}/ready") == workers - 1:
        control.post(f"{key}/go", True)
    if not control.wait(f"{key}/go", signs=loading(key)):
        raise BrokenGroup("another worker failed before the group began")


def ended(key: str, task: int) -> str:
    """Where it stands what the first attempt at a task has ended with."""
    return f"{key}/ended/{task}"


def left(key: str) -> str:
    """Where it stands why a worker has left the group, or that the group is over."""
    return f"{key}/left"


def leaving(key: str) -> str:
    """Where it stands that processes of the group are about to go, and that it shall end at the next step with a commit."""
    return f"{key}/leaving"


def loading(key: str) -> str:
    """The counter of the signs that workers give while they load."""
    return f"{key}/loading"


def unready(control: ControlClient, key: str) -> None:
    """Tell those who wait in ``all_ready`` that this worker will not come."""
    control.post(f"{key}/go", False)


def dismiss(post: Callable[[str, Any], None], key: str, why: str) -> None:
    """Tell all who wait for others at the group's beginning, or come late, that they shall leave."""
    post(left(key), why)
    post(f"{key}/agreement", None)
    post(f"{key}/go", False)
