"""Latency tables where commands find them: opened, and extended by what they lack."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.arch.spec import Arch
from mobilenets.base.console import progress, say
from mobilenets.base.errors import RunError, UsageError
from mobilenets.base.files import cache_folder
from mobilenets.jobs.alone import measuring

if TYPE_CHECKING:
    from mobilenets.bench.pieces import Piece
    from mobilenets.bench.table import Span, Table, Terms
    from mobilenets.runtimes import Target

TARGET = "litert:cpu:1"  # where nobody says another
OFFERED = {"varied": 60, "narrower": 80}  # random networks whose pieces may be measured, for each span
CORRECTING = {"varied": 3, "narrower": 4}  # and those that are measured whole, beside the network itself
WHOLE = 9  # networks of a search space that are measured whole, the seed among them
FIRST_CORRECTING, FIRST_CHECKED = 1_000_000, 2_000_000  # their numbers: no network has two of these parts
MOST = {"conv": 10, "squeeze": 5, "linear": 10}  # pieces measured that differ in widths only
MOST_OTHERS = 4
PIECE_SECONDS, NETWORK_SECONDS = 0.5, 15.0  # about what one takes to convert and measure


def table_for(archs: Sequence[Arch], target: str, path: Path | None = None) -> "Table":
    """A table from which these networks and all their narrower versions can be predicted on `target`.

    What the table at `path` lacks is measured and written there; if not given, the table is kept in the cache
    folder, one for each target, processor and version. A table from a CSV is taken as it is.
    Raises UsageError for a table of other terms or a CSV's that lacks pieces of the networks, RunError for a
    broken one, ExportError, DeviceError, StorageError.
    """
    from mobilenets.bench.table import Span

    table, path = spanning([Span(arch, "narrower") for arch in archs], parsed(target), path)
    _refuse_missing(table, archs, path)
    return table


def table_among(archs: Sequence[Arch], target: str, path: Path | None = None) -> "Table":
    """A table from which networks like these can be predicted on `target`: samples of a search space, the
    seed first.

    Of all their pieces those are measured that are far from any other; the first networks are measured whole.
    Otherwise as `table_for`; UsageError also for a table from a CSV that lacks pieces of them.
    """
    from mobilenets.bench.pieces import pieces

    wanted = parsed(target)
    table, path = _at(wanted, path)
    if not table.terms.versions:
        _refuse_missing(table, archs, path)
        return table
    offered = [piece for arch in archs for piece in pieces(arch)]
    return _extended(table, _of_each_kind(pieces(archs[0]), offered, table), archs[:WHOLE], wanted, path)


def spanning(spans: "Sequence[Span]", target: "Target", path: Path | None) -> "tuple[Table, Path]":
    """The table at `path` or in the cache folder, extended to these spans; and where it is."""
    table, path = _at(target, path)
    if not table.terms.versions:
        return table, path
    whole = [arch for span in spans for arch in networks_of(span, FIRST_CORRECTING, CORRECTING[span.way])]
    whole += [span.arch for span in spans]
    return _extended(table.spanning(spans), _lacking(spans, table), whole, target, path), path


def chosen(table: Path | None, target: str | None) -> "tuple[Table, Path]":
    """The table in a file, or the one that is kept for a target; and where it is.

    Raises UsageError where the file's is of another target, UnknownName, RunError.
    """
    path = Path(table) if table else kept(target or TARGET)
    found = opened(path)
    if target is not None and str(parsed(target)) != found.terms.target:
        raise UsageError(
            f"{path} holds times of {found.terms.target}, the target is {target}; give that one, or none"
        )
    return found, path


def kept(target: str) -> Path:
    """Where the table of a target is kept when no place was given."""
    from mobilenets.bench.building import terms_of

    return _place(terms_of(parsed(target)))


def opened(path: Path) -> "Table":
    """The table in a file. Raises RunError when there is none."""
    table = if_any(path)
    if table is None:
        raise RunError(f"there is no latency table at {path}; mobilenets latency build makes one")
    return table


def if_any(path: Path) -> "Table | None":
    """The table in a file, None where there is none yet."""
    from mobilenets.bench.table_reading import read_table

    return read_table(path) if Path(path).exists() else None


def networks_of(span: "Span", first: int, count: int) -> list[Arch]:
    """Random networks that a table is meant for, by their numbers."""
    from mobilenets.bench.sampling import narrower, varied

    numbers = range(first, first + count)
    if span.way == "varied":
        return [varied(span.arch, number, span.kernels) for number in numbers]
    return [narrower(span.arch, number) for number in numbers]


def parsed(target: str) -> "Target":
    """The target in a text."""
    from mobilenets.runtimes import parse_target

    return parse_target(target)


def _refuse_missing(table: "Table", archs: Sequence[Arch], path: Path) -> None:
    """Raise UsageError for a table from a CSV, to which nothing is added, that lacks pieces of networks."""
    from mobilenets.bench.predicting import Predictor

    if table.terms.versions:
        return
    if missing := [name for arch in archs for name in Predictor(table).predict(arch).missing]:
        raise UsageError(
            f"{path} lacks {missing[0]}, which networks here have; measure it and add its line, "
            "or leave the table out"
        )


def _at(target: "Target", path: Path | None) -> "tuple[Table, Path]":
    """The table at `path` or in the cache folder, perhaps empty; and where it is. One from a CSV has no
    versions. Raises UsageError for a table of other terms.
    """
    from mobilenets.bench.building import terms_of
    from mobilenets.bench.table import Table

    known = if_any(path) if path else None
    if known is not None and not known.terms.versions:
        if known.terms.target != str(target):
            raise UsageError(
                f"{path} holds times of {known.terms.target}, the target is {target}; give that one"
            )
        assert path is not None
        return known, path
    terms = terms_of(target)
    path = Path(path) if path else _place(terms)
    table = known or if_any(path) or Table(terms)
    table.expect(terms, path)
    return table, path


def _extended(
    table: "Table", pieces: "Sequence[Piece]", whole: Sequence[Arch], target: "Target", path: Path
) -> "Table":
    """The table with what it lacks of pieces and whole networks; says what that costs before it begins."""
    from mobilenets.bench.building import build

    networks = [arch for arch in dict.fromkeys(whole) if arch not in table.networks]
    if not pieces and not networks:
        return table
    minutes = (PIECE_SECONDS * len(pieces) + NETWORK_SECONDS * len(networks)) / 60
    say(
        f"latency table of {target}: {len(pieces)} pieces and {len(networks)} networks to measure, about "
        f"{max(1, round(minutes))} minutes; {len(table.pieces)} pieces are there; kept in {path}"
    )
    with measuring(), progress() as bar:
        task = bar.add_task("measuring", total=len(pieces) + len(networks))
        return build(table, target, pieces, networks, path, lambda done: bar.advance(task, done))


def _lacking(spans: "Iterable[Span]", table: "Table") -> "list[Piece]":
    """The pieces to measure for these spans."""
    from mobilenets.bench.pieces import pieces

    own = [piece for span in spans for piece in pieces(span.arch)]
    offered = [
        piece for span in spans for arch in networks_of(span, 0, OFFERED[span.way]) for piece in pieces(arch)
    ]
    return _of_each_kind(own, offered, table)


def _of_each_kind(own: "Iterable[Piece]", offered: "Iterable[Piece]", table: "Table") -> "list[Piece]":
    """All of `own`, and of `offered` those farthest from the others, up to so many of each kind."""
    from mobilenets.bench.sampling import spread

    return spread(own, offered, lambda piece: MOST.get(piece.kind, MOST_OTHERS), table.pieces)


def _place(terms: "Terms") -> Path:
    """Where in the cache folder the table of these terms is."""
    key = hashlib.sha256(repr(terms).encode()).hexdigest()[:24]
    return cache_folder() / "latency" / f"table-{key}.json"
