"""Which rows a model has seen, by their time: what it was trained, calibrated or given a threshold on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.binary.frames.split import Frames

CHOSEN_ON = ("train", "validation")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """From ``first_s`` to ``last_s``, both included: rows outside of it are new to the model."""

    first_s: float
    last_s: float

    @classmethod
    def of(cls, frames: Frames) -> "Seen":
        parts = [frames.parts[part] for part in CHOSEN_ON]
        return cls(first_s=min(part.first_s for part in parts), last_s=max(part.last_s for part in parts))

    @classmethod
    def by(cls, details: Mapping[str, Any]) -> "Seen | None":
        """What an artifact's details say; None where they do not."""
        return cls(**details["seen"]) if "seen" in details else None
