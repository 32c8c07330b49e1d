"""Latency tables: built for a target, used to predict, checked against what whole networks take."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.arch.spec import Arch
from mobilenets.base.console import progress, say
from mobilenets.base.errors import UsageError
from mobilenets.base.files import cache_folder

if TYPE_CHECKING:
    from mobilenets.bench.pieces import Piece
    from mobilenets.bench.table import Table, Terms
    from mobilenets.runtimes import Target

NARROWER = 80  # random networks whose pieces are offered, of each network that is to be narrowed
VARIED = 60  # and around each seed of a space
CORRECTING = 4  # whole networks measured to correct the sum of pieces, for a network that is to be narrowed
CORRECTING_SPACE = 3  # and for each seed of a space
FIRST_CORRECTING = 1_000_000  # numbers of random networks: those that correct are not those whose pieces
FIRST_CHECKED = 2_000_000  # are measured, and those that check are neither
PIECE_SECONDS, NETWORK_SECONDS = 0.5, 15.0  # about what one takes to convert and measure


def table_for(archs: Sequence[Arch], target: str, path: Path | None = None) -> "Table":
    """A table from which these networks and all their narrower versions can be predicted on `target`.

    What the table at `path` lacks is measured and written there; if not given, the table is kept in the cache
    folder, one for each target, processor and version. A table from a CSV is taken as it is.
    Raises UsageError for a table of other terms, RunError for a broken one, ExportError, DeviceError,
    StorageError.
    """
    from mobilenets.bench.building import terms_of
    from mobilenets.runtimes import parse_target

    wanted = parse_target(target)
    if path is not None and (known := _opened(path)) is not None and not known.terms.versions:
        if known.terms.target != str(wanted):
            raise UsageError(
                f"{path} holds times of {known.terms.target}, the target is {wanted}; give that target"
            )
        return known
    terms = terms_of(wanted)
    path = path or place_of(terms)
    table = _fresh(path, terms)
    pieces = pieces_for(archs, table)
    networks = [
        *archs, *(narrowed for arch in archs for narrowed in _narrower(arch, FIRST_CORRECTING, CORRECTING))
    ]  # fmt: skip
    return _extended(table, wanted, pieces, networks, path)


def place_of(terms: "Terms") -> Path:
    """Where the table of a target is kept when no place was given."""
    key = hashlib.sha256(repr(terms).encode()).hexdigest()[:24]
    return cache_folder() / "latency" / f"table-{key}.json"


def pieces_for(archs: Iterable[Arch], table: "Table") -> "list[Piece]":
    """What is to be measured for these networks and their narrower versions."""
    from mobilenets.bench.pieces import pieces
    from mobilenets.bench.sampling import spread

    archs = list(archs)
    own = [piece for arch in archs for piece in pieces(arch)]
    offered = [piece for arch in archs for one in _narrower(arch, 0, NARROWER) for piece in pieces(one)]
    return spread(own, offered, _most, table.pieces)


def _narrower(arch: Arch, first: int, count: int) -> list[Arch]:
    """Random narrower versions of a network."""
    from mobilenets.bench.sampling import narrower

    return [narrower(arch, number) for number in range(first, first + count)]


def _most(piece: "Piece") -> int:
    """How many pieces that differ in widths only are measured."""
    return {"conv": 7, "squeeze": 4, "linear": 4, "attention": 4}.get(piece.kind, 3)


def _opened(path: Path) -> "Table | None":
    """The table in a file, None where there is none yet."""
    from mobilenets.bench.table_reading import read_table

    return read_table(path) if Path(path).exists() else None


def _fresh(path: Path, terms: "Terms") -> "Table":
    """The table to extend: that at `path` if it was measured on these terms, else an empty one."""
    from mobilenets.bench.table import Table

    table = _opened(path)
    if table is None:
        return Table(terms)
    table.expect(terms, path)
    return table


def _extended(
    table: "Table", target: "Target", pieces: "Sequence[Piece]", networks: Sequence[Arch], path: Path
) -> "Table":
    """The table with these entries, measured where it lacks them; says what it costs before it begins."""
    from mobilenets.bench.building import build

    networks = [arch for arch in dict.fromkeys(networks) if arch not in table.networks]
    pieces = [piece for piece in pieces if piece not in table.pieces]
    if not pieces and not networks:
        return table
    minutes = (PIECE_SECONDS * len(pieces) + NETWORK_SECONDS * len(networks)) / 60
    say(
        f"latency table of {target}: {len(pieces)} pieces and {len(networks)} networks to measure, "
        f"about {max(1, round(minutes))} minutes; {len(table.pieces)} pieces are there"
    )
    with progress() as bar:
        task = bar.add_task("measuring", total=len(pieces) + len(networks))
        return build(table, target, pieces, networks, path, lambda done: bar.advance(task, done))
