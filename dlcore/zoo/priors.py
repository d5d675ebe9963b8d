"""SSD's priors: the boxes, fixed in number and place, that the network scores and moves (arXiv:1512.02325, section 2.2).

Boxes are relative to the picture (0 to 1), so that they mean the same at every size. Centre form is (cx, cy, w, h), corner form
(x1, y1, x2, y2).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.ops import box_convert

VARIANCES = (0.1, 0.1, 0.2, 0.2)


@dataclass(frozen=True, kw_only=True)
class Priors:
    """Priors of square pictures of ``image`` pixels, over one map of ``grids[k]`` cells a side for each k.

    Cells lie ``steps[k]`` pixels apart. In each: a square of ``scales[k]`` (of the picture), one of the geometric mean with
    ``scales[k + 1]``, and two boxes, lying and standing, for each ratio of ``ratios[k]``.
    """

    image: int
    grids: tuple[int, ...]
    steps: tuple[float, ...]
    scales: tuple[float, ...]
    ratios: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        maps = len(self.grids)
        if (len(self.steps), len(self.scales) - 1, len(self.ratios)) != (maps, maps, maps):
            raise ValueError(
                f"Priors over {maps} maps need as many steps and ratios and one more scale, "
                f"got {len(self.steps)} steps, {len(self.ratios)} ratios, {len(self.scales)} scales"
            )

    @property
    def per_cell(self) -> list[int]:
        """How many priors a cell of each map has."""
        return [2 + 2 * len(ratios) for ratios in self.ratios]

    def __len__(self) -> int:
        return sum(grid * grid * cell for grid, cell in zip(self.grids, self.per_cell, strict=True))

    @cached_property
    def boxes_P4(self) -> Tensor:
        """Centre form, not clipped to the picture; map by map, row by row, cell by cell."""
        made = DefaultBoxGenerator(
            [list(ratios) for ratios in self.ratios], scales=list(self.scales), steps=list(self.steps), clip=False
        )
        grids = [[grid, grid] for grid in self.grids]
        return made._grid_default_boxes(grids, [self.image, self.image])  # type: ignore[no-any-return]  # centre form

    @cached_property
    def corners_P4(self) -> Tensor:
        """The same in corner form."""
        return box_convert(self.boxes_P4, "cxcywh", "xyxy")  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, object]:
        """The settings alone: each process makes the boxes anew."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


SSD300 = Priors(
    image=300,
    grids=(38, 19, 10, 5, 3, 1),
    steps=(8, 16, 32, 64, 100, 300),
    scales=(0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)


def encode(boxes: Tensor, priors: Tensor) -> Tensor:
    """Offsets that move ``priors`` [..., 4] (centre form) onto ``boxes`` [..., 4] (corner form)."""
    wanted = box_convert(boxes, "xyxy", "cxcywh")
    centres = (wanted[..., :2] - priors[..., :2]) / priors[..., 2:]
    sizes = torch.log(wanted[..., 2:] / priors[..., 2:])
    return torch.cat([centres, sizes], dim=-1) / boxes.new_tensor(VARIANCES)


def decode(offsets: Tensor, priors: Tensor, variances: Tensor | None = None) -> Tensor:
    """Boxes [..., 4] (corner form) of ``priors`` [..., 4] (centre form) moved by ``offsets`` [..., 4]."""
    scaled = offsets * (offsets.new_tensor(VARIANCES) if variances is None else variances)
    centres = priors[..., :2] + scaled[..., :2] * priors[..., 2:]
    sizes = priors[..., 2:] * torch.exp(scaled[..., 2:])
    return torch.cat([centres - sizes / 2, centres + sizes / 2], dim=-1)
