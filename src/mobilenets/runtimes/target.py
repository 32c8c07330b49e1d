"""A target: runtime, device, threads, perhaps precision: `litert:cpu:1` or `litert:cpu:1:float32`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mobilenets.base.errors import UnknownName, UsageError, shown

RUNTIMES: Mapping[str, str] = MappingProxyType(
    {"litert": ".tflite", "onnx": ".onnx", "torch": ".safetensors"}
)
DEVICES = ("cpu",)
PRECISIONS = ("float32",)
MOST_THREADS = 256


@dataclass(frozen=True)
class Target:
    """What a file runs on. Without `precision` it runs in whatever precision it holds."""

    runtime: str
    device: str = "cpu"
    threads: int = 1
    precision: str | None = None

    def __str__(self) -> str:
        """The text that `parse_target` reads back."""
        text = f"{self.runtime}:{self.device}:{self.threads}"
        return f"{text}:{self.precision}" if self.precision else text


def parse_target(text: str) -> Target:
    """The target in `RUNTIME:DEVICE:THREADS[:PRECISION]`.

    Raises UsageError for another form, UnknownName with the nearest names for an unknown part.
    """
    parts = text.strip().split(":")
    if not 3 <= len(parts) <= 4:
        raise UsageError(
            f"a target is RUNTIME:DEVICE:THREADS[:PRECISION], such as litert:cpu:1, got {shown(text)}"
        )
    runtime, device, threads = parts[:3]
    precision = parts[3] if len(parts) == 4 else None
    _known("runtime", runtime, RUNTIMES)
    _known("device", device, DEVICES)
    if precision is not None:
        check_precision(precision)
    return Target(runtime, device, _threads(threads), precision)


def check_precision(precision: str) -> None:
    """Raise UsageError for a precision that is not there yet, UnknownName for one that is none."""
    if precision == "int8":
        raise UsageError("int8 is not there yet; use float32, or leave the precision out")
    _known("precision", precision, PRECISIONS)


def runtime_of(path: Path) -> str:
    """The runtime a file is for, by its suffix. Raises UsageError when there is none."""
    suffix = Path(path).suffix.lower()
    for runtime, own in RUNTIMES.items():
        if own == suffix:
            return runtime
    raise UsageError(f"{path} is no file that can be run; give one ending in {', '.join(RUNTIMES.values())}")


def _known(kind: str, name: str, names: Mapping[str, str] | tuple[str, ...]) -> None:
    """Raise UnknownName unless `name` is among `names`."""
    if name not in names:
        raise UnknownName(kind, name, names)


def _threads(text: str) -> int:
    """A number of threads. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_THREADS):
        raise UsageError(f"threads must be a whole number from 1 to {MOST_THREADS}, got {shown(text)}")
    return int(text)
