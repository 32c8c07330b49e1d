"""The one record of how an image becomes a network's input. `data.preprocess` executes it, files carry it."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from mobilenets.arch.checks import MOST
from mobilenets.arch.reading import expect, expect_each, expect_keys
from mobilenets.base.errors import ArchError, shown

Interpolation = Literal["bilinear", "bicubic"]
Fit = Literal["crop", "stretch"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """Resize the shorter side to `resize` pixels, cut the centre square of `crop`, RGB, to 0..1, normalise.

    With `fit` "stretch" the whole image becomes a square of `crop` pixels, whatever its shape, and `resize`
    equals `crop`: what finds things in an image must see all of it.
    `mean` and `std` are per channel, on the 0..1 scale. Resizing is antialiased.
    """

    crop: int
    resize: int
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        """Refuse what cannot be executed."""
        if (
            type(self.crop) is not int
            or type(self.resize) is not int
            or not 0 < self.crop <= self.resize <= MOST
        ):
            raise ArchError(
                f"crop must be from 1 to resize, got crop {shown(self.crop)} and resize {shown(self.resize)}"
            )
        if self.interpolation not in get_args(Interpolation):
            raise ArchError(f"interpolation must be bilinear or bicubic, got {shown(self.interpolation)}")
        if self.fit not in get_args(Fit):
            raise ArchError(f"fit must be crop or stretch, got {shown(self.fit)}")
        if self.fit == "stretch" and self.resize != self.crop:
            raise ArchError(f"resize must equal crop where fit is stretch, got {self.resize} and {self.crop}")
        numbers = self.mean + self.std
        if len(self.mean) != 3 or len(self.std) != 3 or not all(abs(number) <= MOST for number in numbers):
            raise ArchError(
                f"mean and std need three numbers each, got {shown(self.mean)} and {shown(self.std)}"
            )
        if min(self.std) <= 0:
            raise ArchError(f"std must be above 0, got {shown(self.std)}")


def encode(record: Preprocess) -> dict[str, Any]:
    """The record as plain data; tuples become lists, as JSON has them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(record).items()}


def decode(document: Any) -> Preprocess:
    """The record in plain data. Raises ArchError naming the path of whatever is wrong."""
    path = "preprocess"
    expect(document, path, dict)
    expect_keys(document, path, [field.name for field in fields(Preprocess)], required=("crop", "resize"))
    values = dict(document)
    for key in ("mean", "std"):
        if key in values:
            expect_each(values[key], f"{path}.{key}", float)
            values[key] = tuple(values[key])
    try:
        return Preprocess(**values)
    except ArchError as error:
        raise ArchError(f"{path}: {error}") from error
