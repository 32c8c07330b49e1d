"""What can be wrong or remarkable about a dataset, one record per place."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from mobilenets.base.console import say

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class Finding:
    """One observation: a stable `id`, the file or folder below the dataset ("" for the whole), what to do.

    An error spoils the training or its numbers, a warning may, a note only says how the file is read.
    """

    id: str
    level: Level
    file: str
    message: str
    fix: str


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; by id and file within a level."""
    return sorted(findings, key=lambda finding: (LEVELS.index(finding.level), finding.id, finding.file))


def tell(findings: Iterable[Finding]) -> None:
    """Say on stderr what is amiss with data."""
    for line in told(findings):
        say(line)


def told(findings: Iterable[Finding]) -> Iterator[str]:
    """What a person should know of data: each file that is left out, then a line for each kind of warning."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.level == "error":
            yield f"left out {finding.file}: {finding.message}"
        else:
            kinds.setdefault(finding.id, []).append(finding)
    for first, *others in kinds.values():
        more = f" (and {len(others)} more like it)" if others else ""
        yield f"{first.file}: {first.message}{more}; {first.fix}"


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Those for files that are left out."""
    return [finding for finding in findings if finding.level == "error"]


def levels(findings: Iterable[Finding]) -> dict[Level, int]:
    """How many findings of each level."""
    counter = Counter(finding.level for finding in findings)
    return {level: counter[level] for level in LEVELS}


def is_plain(name: str) -> bool:
    """Whether a name from disk is valid UTF-8 without control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def shown(name: object) -> str:
    """A name as printable text: what is not plain comes out escaped."""
    return "".join(character if is_plain(character) else ascii(character)[1:-1] for character in str(name))
