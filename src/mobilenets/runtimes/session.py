"""What every runtime offers, and what all of them check."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mobilenets.arch.card import Card
from mobilenets.base.errors import DataError, ExportError
from mobilenets.runtimes.target import Target


class Session(Protocol):
    """One file, opened on one target."""

    path: Path
    target: Target
    card: Card | None  # None for a file that is not ours
    input_shape: tuple[int, int, int, int]  # (1, H, W, 3)

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raw pixels (B, H, W, 3), uint8 or float32 from 0 to 255, to every output, float32 (B, ...).

        They come in the file's order, which for our files is that of `docs/files.md`.
        Raises DataError for pixels of another shape or type.
        """

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """The only output of a file that has one, such as a classifier's probabilities float32 (B, classes).

        Raises DataError as `outputs`, ExportError when there are several.
        """

    def invoke(self) -> None:
        """One inference at batch 1 on the input that is already set, and nothing else: what gets timed."""

    def versions(self) -> dict[str, str]:
        """The packages whose version the latency depends on."""


def checked(pixels: np.ndarray, input_shape: tuple[int, ...], path: Path) -> np.ndarray:
    """The pixels, unchanged. Raises DataError unless they are (B, H, W, 3) of uint8 or float32."""
    fits = pixels.ndim == 4 and pixels.shape[1:] == input_shape[1:] and len(pixels) > 0
    if not fits or pixels.dtype not in (np.uint8, np.float32):
        wanted = ", ".join(str(side) for side in input_shape[1:])
        raise DataError(
            f"{path} takes pixels of shape (B, {wanted}) as uint8 or float32, "
            f"got {tuple(pixels.shape)} of {pixels.dtype}"
        )
    return pixels


def image_shape(shape: list[int | str] | tuple[int, ...], path: Path) -> tuple[int, int, int, int]:
    """The input shape of a file, (1, H, W, 3). Raises ExportError for any other."""
    sides = tuple(shape)
    if len(sides) == 4 and all(isinstance(side, int) and side > 0 for side in sides):
        batch, height, width, channels = (int(side) for side in sides)
        if (batch, channels) == (1, 3):
            return batch, height, width, channels
    raise ExportError(
        f"{path} takes an input of shape {sides}; only one image of raw pixels (1, H, W, 3) can be fed: "
        "export the model with mobilenets export"
    )


def one_input(found: list[object], path: Path) -> None:
    """Raise ExportError unless a file has exactly one input."""
    if len(found) != 1:
        raise ExportError(f"{path} has {len(found)} inputs; a network for images has one")


def only(outputs: tuple[np.ndarray, ...], path: Path) -> np.ndarray:
    """The only output; (B, 1, 1, classes), as some classifiers have it, becomes (B, classes).

    Raises ExportError when there are several.
    """
    if len(outputs) != 1:
        raise ExportError(f"{path} has {len(outputs)} outputs; only what has one can be used here")
    output = outputs[0]
    flat = output.ndim > 2 and output.shape[1:-1] == (1,) * (output.ndim - 2)
    return output.reshape(len(output), -1) if flat else output


def joined(rows: Iterable[Sequence[np.ndarray]]) -> tuple[np.ndarray, ...]:
    """The outputs of one image after another, each (1, ...), as those of a batch, float32 (B, ...)."""
    return tuple(
        np.concatenate([output if output.shape[:1] == (1,) else output[None] for output in outputs]).astype(
            np.float32
        )
        for outputs in zip(*rows, strict=True)
    )
