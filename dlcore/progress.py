"""How a training is getting on: a record after each hundred steps and each epoch."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State after ``step`` steps: losses are means over the rows since the record before; ``epoch`` counts from one."""

    step: int
    epoch: int
    loss: float
    lr: float
    rows_per_s: float
    seconds: float
    validation: float | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Progress":
        return cls(**json.loads(text))

    def __str__(self) -> str:
        validation = "" if self.validation is None else f", validation {self.validation:.5f}"
        return (
            f"epoch {self.epoch}, step {self.step}: loss {self.loss:.5f}{validation}, "
            f"rate {self.lr:.4g}, {self.rows_per_s:,.0f} rows/s"
        )


def reported(step: int, steps_an_epoch: int, *, every: int = 100) -> int:
    """How many records a run has made after ``step`` steps: one each ``every`` steps of an epoch, one at its end."""
    epochs, within = divmod(step, steps_an_epoch)
    return epochs * -(-steps_an_epoch // every) + within // every
