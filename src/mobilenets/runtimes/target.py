"""A target: runtime, device, threads, perhaps precision: `litert:cpu:1` or `litert:adb=SERIAL:4`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from mobilenets.base.errors import UnknownName, UsageError, shown

RUNTIMES: Mapping[str, str] = MappingProxyType(
    {"litert": ".tflite", "onnx": ".onnx", "torch": ".safetensors"}
)
DEVICES = ("cpu", "adb", "ssh")
PRECISIONS = ("float32",)
MOST_THREADS = 256
FORM = "RUNTIME:DEVICE:THREADS[:PRECISION], such as litert:cpu:1"
# programs that take options are given these: nothing in them can be one, nor mean something to a shell
ADDRESS = re.compile(r"(\w[\w.-]*@)?[\w\[][\w.:%\[\]-]*", re.ASCII)
CORES = re.compile(r"(0x)?[0-9a-fA-F]{1,16}")


@dataclass(frozen=True)
class Target:
    """What a file runs on. Without `precision` it runs in whatever precision it holds.

    `device` is `cpu`, this machine's processor; or KIND[=ADDRESS][/CORES], a device reached by adb (its
    serial number) or ssh (its host), held to the cores in the mask that `taskset` would take.
    """

    runtime: str
    device: str = "cpu"
    threads: int = 1
    precision: str | None = None

    def __str__(self) -> str:
        """The text that `parse_target` reads back."""
        text = f"{self.runtime}:{self.device}:{self.threads}"
        return f"{text}:{self.precision}" if self.precision else text

    @property
    def kind(self) -> str:
        """How the device is reached: cpu, adb or ssh."""
        return re.split("[=/]", self.device, maxsplit=1)[0]

    @property
    def address(self) -> str:
        """Serial number or host; empty when none was given."""
        return self.device.partition("/")[0].partition("=")[2]

    @property
    def cores(self) -> str:
        """The mask of the cores to run on, in hexadecimal; empty for all."""
        return self.device.partition("/")[2]

    @property
    def remote(self) -> bool:
        """Whether the device is another machine than this one."""
        return self.kind != "cpu"

    @property
    def here(self) -> "Target":
        """The same runtime on this machine."""
        return replace(self, device="cpu")


def parse_target(text: str) -> Target:
    """The target in `RUNTIME:DEVICE:THREADS[:PRECISION]`; the address of a device may hold colons.

    Raises UsageError for another form, UnknownName with the nearest names for an unknown part.
    """
    parts = text.strip().split(":")
    precision = parts.pop() if len(parts) > 3 and not parts[-1].isdigit() else None
    if len(parts) < 3 or (len(parts) > 3 and "=" not in parts[1]):
        raise UsageError(f"a target is {FORM}, got {shown(text)}")
    runtime, device, threads = parts[0], ":".join(parts[1:-1]), parts[-1]
    _known("runtime", runtime, RUNTIMES)
    if precision is not None:
        check_precision(precision)
    target = Target(runtime, device, _threads(threads), precision)
    _check_device(target)
    return target


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


def _check_device(target: Target) -> None:
    """Raise UsageError, UnknownName for a device that cannot be."""
    _known("device", target.kind, DEVICES)
    if not target.remote:
        if target.device != "cpu":
            raise UsageError(f"the device cpu takes nothing after it, got {shown(target.device)}; write cpu")
        return
    if target.runtime != "litert":
        raise UsageError(f"{target.kind} devices run litert only, got {target.runtime}; use litert:...")
    if not target.address and (target.kind == "ssh" or "=" in target.device):
        raise UsageError(
            f"{shown(target.device)} names no device; give litert:adb=SERIAL:1 or litert:ssh=user@host:1"
        )
    if target.address and not ADDRESS.fullmatch(target.address):
        raise UsageError(f"no serial number or host is written {shown(target.address)}; give it plainly")
    if "/" in target.device and not CORES.fullmatch(target.cores):
        raise UsageError(f"cores are a mask in hexadecimal, as in adb/f0, got {shown(target.cores)}")


def _known(kind: str, name: str, names: Mapping[str, str] | tuple[str, ...]) -> None:
    """Raise UnknownName unless `name` is among `names`."""
    if name not in names:
        raise UnknownName(kind, name, names)


def _threads(text: str) -> int:
    """A number of threads. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_THREADS):
        raise UsageError(f"threads must be a whole number from 1 to {MOST_THREADS}, got {shown(text)}")
    return int(text)
