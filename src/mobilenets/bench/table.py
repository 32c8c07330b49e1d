"""A latency table: what pieces and a few whole networks took on one target, as a versioned file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Literal

from mobilenets.arch import codec
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import UsageError
from mobilenets.base.files import write_text
from mobilenets.bench.pieces import Piece

SCHEMA = 1
Way = Literal["varied", "narrower"]


@dataclass(frozen=True)
class Terms:
    """On what the times were measured. `versions` are empty where nobody noted them."""

    target: str
    threads: int
    precision: str
    cpu: str
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Measured:
    """Milliseconds of one inference: the median of the faster half of `runs`, and their interquartile range
    (`bench.bursts`); on other devices those of laps (`bench.laps`).

    `reference_ms` is what the reference network took in the same minute, in turns with this one: the speed of
    the machine. It is None where none was measured, as in a CSV file from elsewhere.
    """

    ms: float
    spread_ms: float = 0.0
    runs: int = 1
    reference_ms: float | None = None
    date: str = ""


@dataclass(frozen=True)
class Span:
    """Networks that a table is meant for: random ones around `arch` (`sampling.varied`, with these kernels),
    or narrower versions of it (`sampling.narrower`).
    """

    arch: Arch
    way: Way
    kernels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Check:
    """How far predictions were from `n` random networks, which were measured afterwards: the mean absolute
    error in per cent, scaled by the reference network and as it was; the rank correlation.
    """

    mae_pct: float
    mae_raw_pct: float
    spearman: float
    n: int
    date: str = ""


@dataclass(frozen=True)
class Table:
    """What was measured on one target: pieces, and whole networks to correct their sum by.

    `reference` is the network that was measured in turns with everything; `check` is the last one since the
    table changed.
    """

    terms: Terms
    pieces: Mapping[Piece, Measured] = field(default_factory=dict)
    networks: Mapping[Arch, Measured] = field(default_factory=dict)
    reference: Arch | None = None
    spans: tuple[Span, ...] = ()
    check: Check | None = None

    @cached_property
    def reference_ms(self) -> float | None:
        """The reference's time on this machine at its usual speed, to which everything is scaled."""
        every = (*self.pieces.values(), *self.networks.values())
        times = [one.reference_ms for one in every if one.reference_ms is not None]
        return median(times) if times else None

    def scaled(self, one: Measured) -> float:
        """The time of an entry, had the machine been as fast as it usually was."""
        if one.reference_ms is None or self.reference_ms is None:
            return one.ms
        return one.ms * self.reference_ms / one.reference_ms

    def extended(
        self, pieces: Mapping[Piece, Measured] | None = None, networks: Mapping[Arch, Measured] | None = None
    ) -> "Table":
        """The table with further entries; new ones take the place of old ones of the same."""
        return replace(
            self,
            pieces={**self.pieces, **(pieces or {})},
            networks={**self.networks, **(networks or {})},
            check=None,
        )

    def spanning(self, spans: Iterable[Span]) -> "Table":
        """The table, meant for these networks too."""
        return replace(self, spans=tuple(dict.fromkeys((*self.spans, *spans))))

    def expect(self, terms: Terms, path: Path) -> None:
        """Raise UsageError unless it was measured on these terms; versions count where both tell them."""
        for name in ("target", "threads", "precision", "cpu", "versions"):
            there, here = getattr(self.terms, name), getattr(terms, name)
            if there == here or (name == "versions" and not (there and here)):
                continue
            if name == "versions":
                there, here = (", ".join(f"{key} {value}" for key, value in each) for each in (there, here))
            raise UsageError(
                f"{path} was measured with {name} {there}, here it is {here}; give another file to build a "
                "table for this, or go back to what it was measured with"
            )


def merged(table: Table, other: Table, path: Path) -> Table:
    """Both tables in one; where both measured the same, `other`, which came from `path`, tells.

    Raises UsageError when they were not measured on the same terms.
    """
    other.expect(table.terms, path)
    if None not in (table.reference, other.reference) and table.reference != other.reference:
        raise UsageError(f"{path} was measured beside another reference network; build it again")
    joined = table.extended(other.pieces, other.networks).spanning(other.spans)
    return replace(joined, reference=table.reference or other.reference)


def write_table(table: Table, path: Path) -> None:
    """Write the table, one entry per line, in one step. Raises StorageError."""
    head = {
        "schema": SCHEMA,
        "terms": {**vars(table.terms), "versions": dict(table.terms.versions)},
        "reference": codec.encode(table.reference) if table.reference else None,
        "reference_ms": table.reference_ms,
        "check": vars(table.check) if table.check else None,
    }
    spans = [{"way": one.way, "kernels": one.kernels, "arch": codec.encode(one.arch)} for one in table.spans]
    pieces = [{**piece.as_dict(), **vars(one)} for piece, one in table.pieces.items()]
    networks = [{**vars(one), "arch": codec.encode(arch)} for arch, one in table.networks.items()]
    text = json.dumps(head, indent=1).removesuffix("\n}")
    for name, entries in (("spans", spans), ("pieces", pieces), ("networks", networks)):
        text += f',\n "{name}": [' + ",".join(f"\n  {json.dumps(entry)}" for entry in entries) + "\n ]"
    write_text(path, text + "\n}\n")


def dated(entries: Iterable[Measured]) -> str:
    """From when to when entries were measured; empty where nobody noted it."""
    days = sorted({one.date[:10] for one in entries if one.date})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""
