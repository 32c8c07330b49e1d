"""A device behind a program that runs shell commands on it: what adb.py and ssh.py have in common."""

import os
import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mobilenets.base.errors import DeviceError, shown
from mobilenets.base.files import sha256

PATIENCE = 60.0  # seconds for a command that should take none
SLOWEST = 200_000  # bytes per second, below which copying counts as hanging
MARK = "mobilenets-exit="  # before a command's exit code: without it, the connection broke


@dataclass(frozen=True)
class Answer:
    """What a command on the device ended with: its exit code, and all that it printed."""

    code: int
    text: str


@dataclass(frozen=True)
class Ended:
    """What a program on this machine ended with."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """The last line of what it complained about, cut."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return re.sub(r"[^\x20-\x7e]", "?", lines[-1].strip())[:160] if lines else "no reason given"


class Device(ABC):
    """One device: commands run on it, files are put in a folder of its own there.

    Every message names it by `name`. Nothing that comes from outside reaches a shell unquoted: files are
    named by their content.
    """

    name: str
    folder: str
    needs: str  # what to do when the program that reaches it is missing
    reached = False  # whether it has answered yet
    lost = False  # whether it has stopped answering

    @abstractmethod
    def words(self, script: str) -> list[str]:
        """The program and its arguments that run a shell script on the device."""

    @abstractmethod
    def copy(self, path: Path, place: str) -> Answer:
        """Write a file's bytes at a place on the device."""

    @abstractmethod
    def advice(self, reason: str) -> str:
        """What to do about what the program that reaches the device complained of."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What a latency depends on: device, system, cpu, cores, governor, as far as it tells."""

    def run(self, script: str, seconds: float = PATIENCE, feed: Path | None = None) -> Answer:
        """A shell script run on the device. Raises DeviceError when it takes longer or the device is lost."""
        marked = f"{{ {script}\n}} 2>&1; printf '\\n{MARK}%d\\n' $?"
        ended = self.call(self.words(marked), seconds, feed)
        text, mark, code = ended.out.rpartition(MARK)
        if not (mark and code.strip().isdigit()):
            self.lost = True
            what = "was lost" if self.reached else "cannot be reached"
            raise DeviceError(f"{self.name} {what} ({ended.reason}); {self.advice(ended.reason)}")
        self.reached = True
        return Answer(int(code), text.strip())

    def put(self, path: Path, name: str) -> str:
        """The place of a copy of the file on the device; `name` with the digest of its content.

        Raises DeviceError when there is no space, or the device is lost.
        """
        place = f"{self.folder}/{sha256(path)[:24]}-{name}"
        draft, size = f"{place}.part", path.stat().st_size
        if self.run(f"mkdir -p {self.folder}; [ -f {place} ]").code == 0:
            return place
        copied = self.copy(path, draft)
        check = f'[ "$(wc -c < {draft})" -eq {size} ] && chmod 700 {draft} && mv {draft} {place}'
        if copied.code != 0 or self.run(check).code != 0:
            self.remove(draft)
            raise DeviceError(self._no_copy(path, size, copied.text))
        return place

    def remove(self, place: str) -> None:
        """Delete a file there, if the device still answers."""
        if not self.lost:  # or each file would wait as long as the first
            with suppress(DeviceError):
                self.run(f"rm -f {place}")

    def call(self, words: Sequence[str], seconds: float, feed: Path | None = None) -> Ended:
        """A program of this machine, ended with all its children when it takes longer than `seconds`.

        Raises DeviceError when it is not on PATH or takes longer.
        """
        source = feed.open("rb") if feed else None
        try:
            process = subprocess.Popen(
                words,
                stdin=source or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"{words[0]} cannot be started ({error.strerror}); {self.needs}") from error
        finally:
            if source:
                source.close()
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            self.lost = True
            raise DeviceError(
                f"{self.name} gave no answer within {seconds:g} seconds; see whether it hangs, "
                "then run the command again"
            ) from error
        finally:
            _end(process)
        return Ended(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def _no_copy(self, path: Path, size: int, text: str) -> str:
        """The line for a file that did not arrive whole."""
        what = f"{path} ({size / 1e6:.1f} MB) cannot be copied to {self.folder} on {self.name}"
        if "no space" in text.lower():
            return f"{what}: no space is left there; free some, then run the command again"
        reason = Ended(1, text, "").reason
        return f"{what} ({shown(reason)}); see whether that folder can be written to"


def told(text: str) -> dict[str, str]:
    """The lines KEY=VALUE that a device printed about itself; what is empty is left out."""
    pairs = (line.partition("=") for line in text.splitlines())
    plain = {key: " ".join(re.sub(r"[^\x20-\x7e]", " ", value).split())[:80] for key, _, value in pairs}
    known = ("device", "system", "cpu", "cores", "governor")
    return {key: plain[key] for key in known if plain.get(key)}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program that still runs, and what it started; they keep its pipes open."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=5)
