"""Boxes stay on what they framed, a chain's one warp equals step by step, and chances are the generator's alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from features.pictures.boxes import boxes
from features.pictures.chains import Chain, Framed, OneOf, Sometimes, Step, Uniform, chances, step_by_step
from features.pictures.colours import Brightness, Contrast, Hue, Normalise, Reverse, Saturation
from features.pictures.geometry import (
    MEAN,
    CentreCrop,
    CropAt,
    Expand,
    Flip,
    Pad,
    RandomCrop,
    Resize,
    Rotate,
    ShortSide,
)
from features.pictures.rendering import Pixels
from features.pictures.sampling import SampleByIoU, ssd

SAMPLE = Path(__file__).parents[3] / "apps" / "images" / "sample"
GEOMETRY: list[Step] = [
    Resize(150, 90),
    Resize(500, 700),
    ShortSide(120),
    CentreCrop(200, 150),
    RandomCrop(200, 150),
    CropAt((50.5, 40, 260, 200), margin=0.1),
    Expand(Uniform(1, 2)),
    Flip(),
    Flip(vertical=True),
    Rotate(90),
    Rotate(Uniform(-30, 30)),
    Pad(left=10, top=3, bottom=40),
    SampleByIoU(),
]
CHAINS: list[tuple[Step, ...]] = [
    (step, *rest)
    for step in GEOMETRY
    for rest in [(), (Flip(), Resize(300, 300)), (Expand(Uniform(1, 3)), SampleByIoU(), Resize(300, 300))]
]


@pytest.fixture(scope="module")
def cells() -> list[Pixels]:
    files = sorted((SAMPLE / "JPEGImages").glob("*.jpg"))[:8]
    return [np.asarray(cv2.imread(str(file))) for file in files]


def drawn(generator: np.random.Generator) -> tuple[Pixels, np.ndarray]:
    """A grey picture of 400 x 300 with six rectangles apart from each other, each of a colour of its own (its channel 0)."""
    canvas = np.full((300, 400, 3), (0, 0, 255), np.uint8)
    found = []
    for number in range(6):
        left, top = number % 3 * 130 + generator.integers(0, 40), number // 3 * 150 + generator.integers(0, 40)
        width, height = generator.integers(30, 80, 2)
        canvas[top : top + height, left : left + width] = (40 * (number + 1), 255, 0)
        found.append((left, top, left + width, top + height))
    return canvas, boxes(found)


def seen(pixels: Pixels, number: int) -> tuple[int, int, int, int] | None:
    """Bounds of the dots in the colour of a rectangle."""
    mine = (abs(pixels[..., 0].astype(int) - 40 * (number + 1)) <= 6) & (pixels[..., 1] > 235) & (pixels[..., 2] < 20)
    down, across = np.nonzero(mine)
    return (across.min(), down.min(), across.max() + 1, down.max() + 1) if len(down) else None


@pytest.mark.parametrize("steps", CHAINS, ids=str)
@pytest.mark.parametrize("row", range(4))
def test_boxes_stay_on_what_they_framed(steps: tuple[Step, ...], row: int) -> None:
    generator = chances(7, 0, row)
    canvas, framed = drawn(generator)
    after = Chain(steps)(canvas, framed, generator)
    turned = any(isinstance(step, Rotate) for step in steps)
    for box, number in zip(after.boxes, after.rows, strict=True):
        bounds = seen(after.pixels, int(number))
        if bounds is None:
            assert min(box[2:] - box[:2]) < 4, f"box {box} frames nothing"
            continue
        assert np.all(np.array(bounds)[:2] >= box[:2] - 0.6) and np.all(np.array(bounds)[2:] <= box[2:] + 0.6)
        if not turned or steps[0] == Rotate(90):  # a box that is turned by other angles is larger than what it frames
            assert np.abs(bounds - box).max() < 2.6, f"{bounds} is framed by {box}"


@pytest.mark.parametrize("steps", CHAINS, ids=str)
def test_a_box_stays_if_its_centre_does(steps: tuple[Step, ...]) -> None:
    for row in range(8):
        generator = chances(3, 1, row)
        canvas, framed = drawn(generator)
        after = Chain(steps)(canvas, framed, generator)
        height, width = after.pixels.shape[:2]
        assert np.all(after.boxes >= 0) and np.all(after.boxes[:, 2:] <= [width, height])
        assert np.all(after.boxes[:, 2:] > after.boxes[:, :2])
        assert len(set(after.rows)) == len(after.rows)


def test_boxes_whose_centre_is_cut_off_leave_and_others_are_cut() -> None:
    framed = [[0, 0, 10, 10], [40, 40, 61, 60], [40, 40, 59, 59], [10, 10, 20, 20]]
    after = Chain((CropAt((5, 5, 50, 50)),))(np.zeros((100, 100, 3), np.uint8), framed)
    assert after.rows.tolist() == [0, 2, 3]
    assert after.boxes.tolist() == [[0, 0, 5, 5], [35, 35, 45, 45], [5, 5, 15, 15]]


def near(one: Framed, other: Framed, *, mean: float, worst: float) -> None:
    """The same boxes, and colours that differ by so much in the mean and in 97 of 100 dots: the rest are edges of frames."""
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-6)
    assert one.rows.tolist() == other.rows.tolist() and one.pixels.shape == other.pixels.shape
    apart = np.abs(one.pixels.astype(float) - other.pixels.astype(float))
    assert apart.mean() <= mean and np.percentile(apart, 97) <= worst, (apart.mean(), np.percentile(apart, 97))


@pytest.mark.parametrize("steps", CHAINS, ids=str)
def test_one_warp_equals_step_by_step(steps: tuple[Step, ...], cells: list[Pixels]) -> None:
    """On blurred pictures, since what a step in between takes of their sharpness is not the question here."""
    for row, picture in enumerate(cv2.GaussianBlur(cell, (0, 0), 6) for cell in cells):
        framed = [[100, 100, 200, 220], [300, 50, 420, 180], [500, 400, 560, 470]]
        together = Chain(steps)(picture, framed, chances(5, 2, row))
        near(together, step_by_step(steps, picture, framed, chances(5, 2, row)), mean=1, worst=3)


def test_the_whole_augmentation_equals_step_by_step(cells: list[Pixels]) -> None:
    chain = ssd()
    for row in range(60):
        picture = cells[row % len(cells)]
        framed = [[100, 100, 200, 220], [300, 50, 420, 180], [500, 400, 560, 470]]
        near(
            chain(picture, framed, chances(1, 0, row)),
            step_by_step(chain.steps, picture, framed, chances(1, 0, row)),
            mean=3,
            worst=20,
        )


def test_what_fills_a_picture_up_has_the_colours_of_its_place_in_the_chain() -> None:
    grey = np.full((40, 60, 3), 100, np.uint8)
    steps = (
        Brightness(50),
        Pad(left=10, fill=(1, 2, 3)),
        Brightness(20),
        Rotate(45, fill=(9, 8, 7)),
        Pad(top=5, fill=(4, 5, 6)),
    )
    found = Chain(steps)(grey).pixels
    colours = {tuple(colour) for colour in found.reshape(-1, 3).tolist()}
    assert colours == {(170, 170, 170), (21, 22, 23), (9, 8, 7), (4, 5, 6)}
    assert found[0, 0].tolist() == [4, 5, 6] and found[6, 1].tolist() == [9, 8, 7]
    cut = Chain((CropAt((20, 10, 40, 30)), Pad(left=5, fill=(0, 0, 0))))(grey).pixels
    assert cut[:, :5].max() == 0 and cut[:, 5:].min() == 100, "what was cut off does not come back"


def test_the_same_seed_epoch_and_row_give_the_same_bits(cells: list[Pixels]) -> None:
    chain = Chain((*ssd().steps, Rotate(Uniform(-5, 5))))
    framed = [[100, 100, 200, 220], [300, 50, 420, 180]]
    looks = [
        chain(cells[0], framed, chances(*place)) for place in [(1, 2, 3), (1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3)]
    ]
    assert np.array_equal(looks[0].pixels, looks[1].pixels) and np.array_equal(looks[0].boxes, looks[1].boxes)
    assert len({look.pixels.tobytes() for look in looks}) == 4


def test_without_a_generator_nothing_is_left_to_chance(cells: list[Pixels]) -> None:
    framed = [[100, 100, 200, 220]]
    plain = Chain((Resize(300, 300),))(cells[0], framed)
    for _ in range(3):
        found = ssd()(cells[0], framed)
        assert np.array_equal(found.pixels, plain.pixels) and np.array_equal(found.boxes, plain.boxes)
    chancy: list[Step] = [
        Rotate(Uniform(-9, 9)),
        Hue(Uniform(-9, 9)),
        Saturation(Uniform(0.5, 2)),
        Expand(Uniform(1, 2)),
        SampleByIoU(),
    ]
    assert np.array_equal(Chain(tuple(chancy))(cells[0]).pixels, cells[0])
    middle = Chain((RandomCrop(100, 80),))(cells[0]).pixels
    assert np.array_equal(middle, cells[0][200:280, 270:370])


@pytest.mark.parametrize("step", [*GEOMETRY, Brightness(9), Normalise(MEAN), Reverse()], ids=str)
def test_a_picture_given_never_changes(step: Step, cells: list[Pixels]) -> None:
    before = cells[0].copy()
    after = Chain((step,))(cells[0], [], chances(0, 0, 1)).pixels
    if after is not cells[0]:
        after[...] = 7
    assert np.array_equal(before, cells[0])


def test_plain_steps_are_what_opencv_and_numpy_do(cells: list[Pixels]) -> None:
    picture = cells[0]
    large = cv2.resize(picture, (700, 500))
    assert np.abs(Chain((Resize(700, 500),))(picture).pixels.astype(int) - large).max() <= 4
    assert np.array_equal(Chain((Flip(),))(picture).pixels, picture[:, ::-1])
    assert np.array_equal(Chain((Flip(vertical=True),))(picture).pixels, picture[::-1])
    assert np.array_equal(Chain((CropAt((10, 20, 110, 70)),))(picture).pixels, picture[20:70, 10:110])
    assert np.array_equal(Chain((Reverse(),))(picture).pixels, picture[..., ::-1])
    padded = Chain((Pad(left=2, top=3, right=4, bottom=5),))(picture).pixels
    assert np.array_equal(padded[3:-5, 2:-4], picture) and padded[0, 0].tolist() == list(MEAN)
    square = picture[:, :480]
    turned = Chain((Rotate(90),))(square).pixels
    assert np.abs(turned.astype(int) - np.rot90(square)).max() <= 1, "against the clock"
    small = Chain((Resize(64, 48),))(picture).pixels
    assert np.array_equal(small, cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA)), "many dots are averaged"
    assert Chain((ShortSide(120),))(picture).pixels.shape == (120, 160, 3)


def test_colours_are_arithmetic_on_each_channel(cells: list[Pixels]) -> None:
    picture = cells[0]
    levels = picture.astype(float)
    assert np.array_equal(Chain((Brightness(40),))(picture).pixels, (levels + 40).clip(0, 255))
    assert np.array_equal(Chain((Contrast(1.5),))(picture).pixels, (levels * 1.5).round().clip(0, 255))
    wanted = (levels - MEAN) / (2, 4, 8)
    found = Chain((Normalise(MEAN, (2, 4, 8)),))(picture).pixels
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    grey = Chain((Saturation(0),))(picture).pixels
    assert np.array_equal(grey, np.repeat(picture.max(axis=2, keepdims=True), 3, axis=2))
    red = np.full((1, 1, 3), (0, 0, 255), np.uint8)
    assert Chain((Hue(120),))(red).pixels.tolist() == [[[0, 255, 0]]]
    assert Chain((Hue(-120),))(red).pixels.tolist() == [[[255, 0, 0]]]


def test_iou_samples_have_what_was_asked_for() -> None:
    canvas, framed = np.zeros((300, 400, 3), np.uint8), boxes([[50, 50, 250, 250], [300, 10, 390, 100]])
    kinds = set()
    for row in range(300):
        (after,) = [Chain((SampleByIoU(overlaps=(0.5,)),))(canvas, framed, chances(0, 0, row))]
        height, width = after.pixels.shape[:2]
        kinds.add((width, height))
        if (width, height) != (400, 300):
            shared = (after.boxes[:, 2:] - after.boxes[:, :2]).prod(axis=1)
            whole = (framed[after.rows, 2:] - framed[after.rows, :2]).prod(axis=1)
            assert (shared / (width * height + whole - shared) >= 0.5).any()
            assert np.sqrt(width * height / (300 * 400)) + 0.01 >= 0.3 and 0.49 < width / 400 / (height / 300) < 2.05
    assert len(kinds) > 100
    none = Chain((SampleByIoU(overlaps=(0.5, None)),))(canvas, [], chances(0, 0, 1))
    assert none.pixels.shape == canvas.shape


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Resize(0, 5), "at least 1"),
        (lambda: Uniform(2, 1), "low"),
        (lambda: Sometimes(Flip(), 1.5), "between 0 and 1"),
        (lambda: OneOf(()), "at least one"),
        (lambda: Expand(0.5), "at least 1"),
        (lambda: Contrast(-1), "negative"),
        (lambda: Pad(left=-1), "negative"),
        (lambda: CropAt((5, 5, 5, 9)), "area"),
        (lambda: Normalise(MEAN, (1, 0, 1)), "positive"),
        (lambda: SampleByIoU(scale=(0, 1)), "scale"),
        (lambda: Chain((CentreCrop(50, 50),))(np.zeros((40, 60, 3), np.uint8)), "at least as large, got 60 x 40"),
        (lambda: Chain((CropAt((70, 0, 80, 9)),))(np.zeros((40, 60, 3), np.uint8)), "meet the picture"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()  # type: ignore[operator]


def test_colours_after_normalisation_are_refused() -> None:
    with pytest.raises(TypeError, match="normalise last"):
        Chain((Normalise(MEAN), Brightness(3)))(np.zeros((4, 4, 3), np.uint8))
