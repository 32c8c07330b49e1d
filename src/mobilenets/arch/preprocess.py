"""The one record of how an image becomes a network's input. `data.preprocess` executes it, every file carries it."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from mobilenets.base.errors import ArchError

Interpolation = Literal["bilinear", "bicubic"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """Resize the shorter side to `resize` pixels, cut the centre square of `crop`, RGB, scale to 0..1, normalise.

    `mean` and `std` are per channel, on the 0..1 scale. Resizing is antialiased.
    """

    crop: int
    resize: int
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuse what cannot be executed."""
        if type(self.crop) is not int or type(self.resize) is not int or not 0 < self.crop <= self.resize:
            raise ArchError(f"crop must be from 1 to resize, got crop {self.crop!r} and resize {self.resize!r}")
        if self.interpolation not in get_args(Interpolation):
            raise ArchError(f"interpolation must be bilinear or bicubic, got {self.interpolation!r}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ArchError(f"mean and std need three numbers each, std above 0, got {self.mean} and {self.std}")


def encode(record: Preprocess) -> dict[str, Any]:
    """The record as plain data."""
    return asdict(record)


def decode(document: Any) -> Preprocess:
    """The record in plain data. Raises ArchError."""
    known = {field.name for field in fields(Preprocess)}
    if not isinstance(document, dict) or set(document) - known:
        raise ArchError(f"preprocess must have the fields {', '.join(sorted(known))}, got {document!r}")
    try:
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
        return Preprocess(**values)
    except TypeError as error:
        raise ArchError(f"preprocess cannot be read: {error}") from error
