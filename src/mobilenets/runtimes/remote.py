"""A TFLite file on another machine: timed there by `benchmark_model`, run here for its answers."""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mobilenets.base.errors import DeviceError, UsageError
from mobilenets.base.files import sha256
from mobilenets.runtimes import benchmark_model
from mobilenets.runtimes.adb import Adb
from mobilenets.runtimes.benchmark_model import Lap
from mobilenets.runtimes.device import PATIENCE, Device
from mobilenets.runtimes.session import Session
from mobilenets.runtimes.ssh import Ssh
from mobilenets.runtimes.target import Target

KINDS: Mapping[str, Callable[[str], Device]] = MappingProxyType({"adb": Adb, "ssh": Ssh})
VARIABLE = "MOBILENETS_BENCHMARK_MODEL"


@dataclass(frozen=True)
class Station:
    """A device that is ready to measure: where `benchmark_model` is on it, and what is known of both."""

    device: Device
    tool: str
    environment: dict[str, Any]


def connect(target: Target) -> Station:
    """The device of a target, with `benchmark_model` on it.

    $MOBILENETS_BENCHMARK_MODEL is a file here, which is copied over, or its place on the device.
    Raises UsageError when that is not set, DeviceError when the device cannot be used or has no such file.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        raise UsageError(
            f"{target} is measured with the vendor's benchmark_model; set {VARIABLE} to that program, built "
            "for the device: a file here, or its place there (docs/targets.md)"
        )
    device = KINDS[target.kind](target.address)
    local = Path(given).expanduser()
    if local.is_file():
        tool, digest = device.put(local, "benchmark_model"), sha256(local)
    else:
        # without a slash a shell would look for it on its PATH
        tool = given if given.startswith("/") else f"./{given.removeprefix('~/')}"
        digest = _digest(device, tool)
    return Station(device, tool, {**device.facts(), "versions": {"benchmark_model": digest[:16]}})


class OnDevice:
    """A TFLite file on a device: whatever its inputs are, it gets random ones there."""

    def __init__(self, path: Path, target: Target, station: Station) -> None:
        """Nothing is copied before the first lap."""
        self.path, self.target = path, target
        self._station, self._place = station, ""

    def lap(self, runs: int, seconds: float, warmup: int) -> Lap:
        """At least `runs` inferences over at least `seconds`, after `warmup` that do not count.

        Raises DeviceError when the device is lost, has no space, or benchmark_model does not end well.
        """
        device = self._station.device
        self._place = self._place or device.put(self.path, "model.tflite")
        script = benchmark_model.command(
            self._station.tool, self._place, self.target.threads, runs, seconds, warmup, self.target.cores
        )  # fmt: skip
        answer = device.run(script, PATIENCE + 2 * benchmark_model.limit(seconds))
        found = benchmark_model.lap(answer.text) if answer.code == 0 else None
        if found is None:
            raise DeviceError(_failed(answer.code, answer.text, self.path, device.name))
        return found

    def invoke(self) -> None:
        """One inference on the device."""
        self.lap(runs=1, seconds=0.0, warmup=0)

    def environment(self) -> dict[str, Any]:
        """What its latency depends on: the device, the program, the file."""
        return {**self._station.environment, "file": sha256(self.path)[:16]}

    def close(self) -> None:
        """Take the file off the device again, if it still answers."""
        if self._place:
            self._station.device.remove(self._place)
            self._place = ""


class RemoteSession(OnDevice):
    """A file whose latency is a device's, and whose answers come from the same runtime on this machine."""

    def __init__(self, path: Path, target: Target, here: Session) -> None:
        """Connect to the device; `here` is the file opened on this machine."""
        super().__init__(path, target, connect(target))
        self.here = here
        self.card, self.input_shape = here.card, here.input_shape

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """As the file gives them on this machine."""
        return self.here.outputs(pixels)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """As the file gives it on this machine."""
        return self.here.run(pixels)

    def versions(self) -> dict[str, str]:
        """Of the program that measures."""
        versions: dict[str, str] = self._station.environment["versions"]
        return versions


def _digest(device: Device, tool: str) -> str:
    """The digest of the program at a place on the device; empty when the device cannot tell.

    Raises DeviceError when there is none that can be run.
    """
    quoted = shlex.quote(tool)
    answer = device.run(f"[ -f {quoted} ] && [ -x {quoted} ] && {{ sha256sum {quoted} || true; }}")
    if answer.code != 0:
        raise DeviceError(
            f"{tool} is neither a file here nor a program on {device.name}; set {VARIABLE} to one of them"
        )
    first = answer.text.split(" ", 1)[0]
    return first if len(first) == 64 and first.isalnum() else ""


def _failed(code: int, text: str, path: Path, device: str) -> str:
    """The line for a benchmark_model that did not end well."""
    said = benchmark_model.complaint(text)
    if code in (126, 127):
        what, todo = f"cannot be run on {device}", f"set {VARIABLE} to one that is built for its processor"
    elif code > 128:
        what, todo = f"crashed on {device} with {path}, signal {code - 128}", "try another version of it"
    elif code != 0:
        what, todo = f"failed on {device} with {path}", "see whether its version can run this file"
    else:
        what, todo = f"told no timings on {device}", "try another version of it"
    return f"benchmark_model {what} ({said}); {todo}"
