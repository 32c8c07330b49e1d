"""Everything that can go wrong, as one small tree. A message says what was given, what was wanted, what to
do.

MobilenetsError                 catch this to catch us
├── UsageError                  the command or the arguments are wrong (exit 2)
│   ├── UnknownName             no such model, target, setting; carries the nearest names
│   └── ConfigMismatch          a run folder that was made with other settings
├── ArchError                   a description of a network that cannot be
├── DataError                   images or labels that cannot be used
├── WeightsError                weights that cannot be had or do not fit
├── RunError                    a run folder or checkpoint that is missing or broken
├── StorageError                the disk refused
├── TrainingError               training cannot go on (NaN loss, ...)
│   └── Interrupted             a signal ended the training; its state is saved
├── SearchError                 a search that cannot go on
├── BudgetError                 nothing meets the latency budget
├── DeviceError                 a device that cannot be reached or measured on; carries what was finished
├── MissingPackage              an extra is not installed
└── ExportError                 a file could not be made or opened
    └── ParityError             the exported file and the model disagree
"""

# ruff: noqa: N818 - names say what happened; the suffix Error is for those that would not read as an error without
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from reprlib import Repr
from typing import Any

MOST = 40  # known names in an error's line


class MobilenetsError(Exception):
    """Anything this package reports as a plain line; the command line exits with `exit_code`."""

    exit_code = 1


class UsageError(MobilenetsError):
    """The command or an argument is wrong."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not in a list of known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Build the line from the kind of thing, what was given and what exists."""
        options = sorted(known)
        near = get_close_matches(name, options, n=3, cutoff=0.5)
        more = f" and {len(options) - MOST} more" if len(options) > MOST else ""
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(options[:MOST])}{more}"
        super().__init__(f"no {kind} {name!r}; {hint}")


class ConfigMismatch(UsageError):
    """The run folder holds a run with other settings."""


class ArchError(MobilenetsError):
    """A network description that cannot be."""


class DataError(MobilenetsError):
    """Images or labels that cannot be used."""


class WeightsError(MobilenetsError):
    """Weights that cannot be had or do not fit the network."""


class RunError(MobilenetsError):
    """A run folder or checkpoint that is missing or broken."""


class StorageError(MobilenetsError):
    """The disk refused to take a file."""


class TrainingError(MobilenetsError):
    """Training cannot go on."""


class Interrupted(TrainingError):
    """A signal ended the work after its state was saved."""

    exit_code = 130  # 128 + SIGINT, as shells have it


class SearchError(MobilenetsError):
    """A search that cannot go on; its record stays."""


class BudgetError(MobilenetsError):
    """Nothing meets the latency budget."""


class DeviceError(MobilenetsError):
    """A device that cannot be reached, or on which measuring failed.

    `finished` is what was measured whole before, by name.
    """

    def __init__(self, line: str, finished: Mapping[str, Any] | None = None) -> None:
        """Build it from the line, and what is worth keeping."""
        super().__init__(line)
        self.finished: Mapping[str, Any] = finished or {}


class MissingPackage(MobilenetsError):
    """An optional package is not installed."""


class ExportError(MobilenetsError):
    """A file for a runtime could not be made or opened."""


class ParityError(ExportError):
    """The exported file and the model it came from give different answers."""


LONGEST = 120  # characters of one value in a message
_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 80
_BRIEF.maxlevel = 2


def shown(value: Any) -> str:
    """A value from outside as it may stand in a message: quoted, on one line, cut when long or deep."""
    text = _BRIEF.repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


@contextmanager
def needs(package: str, extra: str) -> Iterator[None]:
    """Turn a failing import of an optional `package` into one line with the pip command.

    Raises MissingPackage when an import inside the block fails.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackage(
            f"{package} cannot be imported ({error}); install it with: pip install 'mobilenets[{extra}]'"
        ) from error
