"""Latency tables: built for a target and networks, extended by what is asked later, used to predict."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import edit
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.console import progress, say
from mobilenets.base.errors import RunError, UsageError, shown
from mobilenets.base.files import cache_folder
from mobilenets.jobs.subject import Asked, arch_for

if TYPE_CHECKING:
    from mobilenets.bench.pieces import Piece
    from mobilenets.bench.table import Span, Table, Terms
    from mobilenets.runtimes import Target

TARGET = "litert:cpu:1"  # where nobody says another
SPACE = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
SIDES = (224, 96)
KERNELS = (3, 5)
OFFERED = {"varied": 60, "narrower": 80}  # random networks whose pieces may be measured, for each span
CORRECTING = {"varied": 3, "narrower": 4}  # and those that are measured whole, beside the network itself
WHOLE = 9  # networks of a search space that are measured whole, the seed among them
FIRST_CORRECTING, FIRST_CHECKED = 1_000_000, 2_000_000  # their numbers: no network has two of these parts
MOST = {"conv": 10, "squeeze": 5, "linear": 10}  # pieces measured that differ in widths only
MOST_OTHERS = 4
PIECE_SECONDS, NETWORK_SECONDS = 0.5, 15.0  # about what one takes to convert and measure


def build_latency(
    *,
    space: Sequence[str] | str | None = None,
    model: Sequence[str | Path] | str | Path | None = None,
    resolution: Sequence[int] | int | str | None = None,
    target: str = "litert:cpu:1",
    out: Path | None = None,
    kernels: Sequence[int] | int | str | None = None,
    csv: Path | None = None,
) -> dict[str, Any]:
    """Measure a latency table for `target`, or extend the one at `out`; a summary of it.

    `space` are names of the zoo: the table tells networks like them, with other kernels, depths, expansions
    and widths, at each `resolution` in pixels (224 and 96 if not given). `model`s are names (at 224 pixels if
    not given), run folders or files: it tells these and their narrower versions. Without either, the space
    of V2 and V3. Without `out`, the table is kept in the cache folder, where all else looks for it. `csv`
    has times that were measured elsewhere (columns in docs/latency.md); they are taken instead of measuring.
    Raises UsageError, UnknownName, RunError, ExportError, DeviceError, StorageError.
    """
    from mobilenets.bench.table import Span

    wanted, begun = parsed(target), time.perf_counter()
    if csv is not None:
        if model or space or resolution or kernels:
            raise UsageError(
                f"{csv} says itself what was measured; leave --space, --model, --resolution and --kernels out"
            )
        return _taken_from(Path(csv), wanted, out)
    models = listed(model or ())
    names = listed(space) if space else () if models else SPACE
    sides = _numbers("resolution", resolution or ())
    own = tuple(_numbers("kernels", KERNELS if kernels is None else kernels))
    if not own:
        raise UsageError(f"kernels are whole numbers with commas between, such as 3,5, got {shown(kernels)}")
    if kernels is not None and not names:
        raise UsageError("kernels vary in a space, and a model has its own; leave --kernels out")
    if sides and not names and not any(Asked(str(one)).is_name for one in models):
        raise UsageError(f"{models[0]} already says its resolution; --resolution goes with names only")
    spans = [Span(find(name, resolution=side), "varied", own) for name in names for side in sides or SIDES]
    for one in models:
        asked = Asked(str(one))
        archs = [arch_for(asked)]
        if asked.is_name and sides:
            archs = [edit.at(archs[0], side) for side in sides]
        spans += [Span(arch, "narrower") for arch in archs]
    table, path = _spanning(spans, wanted, out)
    if not table.terms.versions:
        raise UsageError(f"{path} holds times from a CSV, to which none is added here; give another --out")
    return {**summary(table, path), "seconds": time.perf_counter() - begun}


def predict_latency(
    models: Sequence[str | Path] | str | Path,
    *,
    table: Path | None = None,
    target: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
) -> dict[str, Any]:
    """The latency of each model in ms by a table, and how far off it may be (one standard deviation).

    `models` are names, run folders or files. Without `table`, the one that is kept for `target`
    (litert:cpu:1 if not given). Raises UsageError, also for a table of another target than is given,
    UnknownName, RunError; nothing is measured.
    """
    from mobilenets.bench.predicting import Predictor

    found, path = chosen(table, target)
    predictor = Predictor(found)
    rows, names = [], [str(model) for model in listed(models)]
    zoo = any(Asked(name).is_name for name in names)  # else what belongs to names is refused
    for model in names:
        plain = zoo and not Asked(model).is_name
        arch = arch_for(Asked(model) if plain else Asked(model, None, width, resolution, dialect))
        told = predictor.predict(arch)
        rows.append({
            "model": model, "resolution": arch.resolution, "ms": told.ms, "error_ms": told.error_ms,
            "missing": list(told.missing),
        })  # fmt: skip
    return {"results": rows, **summary(predictor.table, path)}


def table_for(archs: Sequence[Arch], target: str, path: Path | None = None) -> "Table":
    """A table from which these networks and all their narrower versions can be predicted on `target`.

    What the table at `path` lacks is measured and written there; if not given, the table is kept in the cache
    folder, one for each target, processor and version. A table from a CSV is taken as it is.
    Raises UsageError for a table of other terms or a CSV's that lacks pieces of the networks, RunError for a
    broken one, ExportError, DeviceError, StorageError.
    """
    from mobilenets.bench.table import Span

    table, path = _spanning([Span(arch, "narrower") for arch in archs], parsed(target), path)
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
    return _extended(table, _chosen(pieces(archs[0]), offered, table), archs[:WHOLE], wanted, path)


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


def summary(table: "Table", path: Path) -> dict[str, Any]:
    """What a table holds, and how good its predictions are."""
    from mobilenets.bench.predicting import Predictor
    from mobilenets.bench.table import dated

    left_out = Predictor(table).correction.left_out if table.pieces else ()
    return {
        "table": str(path),
        **vars(table.terms),
        "versions": dict(table.terms.versions),
        "date": dated((*table.pieces.values(), *table.networks.values())),
        "pieces": len(table.pieces),
        "networks": len(table.networks),
        "left_out_pct": 100 * sum(map(abs, left_out)) / len(left_out) if left_out else None,
        "check": vars(table.check) if table.check else None,
    }


def networks_of(span: "Span", first: int, count: int) -> list[Arch]:
    """Random networks that a table is meant for, by their numbers."""
    from mobilenets.bench.sampling import narrower, varied

    numbers = range(first, first + count)
    if span.way == "varied":
        return [varied(span.arch, number, span.kernels) for number in numbers]
    return [narrower(span.arch, number) for number in numbers]


def _spanning(spans: "Sequence[Span]", target: "Target", path: Path | None) -> "tuple[Table, Path]":
    """The table at `path` or in the cache folder, extended to these spans; and where it is."""
    table, path = _at(target, path)
    if not table.terms.versions:
        return table, path
    whole = [arch for span in spans for arch in networks_of(span, FIRST_CORRECTING, CORRECTING[span.way])]
    whole += [span.arch for span in spans]
    return _extended(table.spanning(spans), _lacking(spans, table), whole, target, path), path


def _at(target: "Target", path: Path | None) -> "tuple[Table, Path]":
    """The table at `path` or in the cache folder, perhaps empty; and where it is. One from a CSV has no
    versions. Raises UsageError for a table of other terms.
    """
    from mobilenets.bench.building import terms_of
    from mobilenets.bench.table import Table

    known = _if_any(path) if path else None
    if known is not None and not known.terms.versions:
        if known.terms.target != str(target):
            raise UsageError(
                f"{path} holds times of {known.terms.target}, the target is {target}; give that one"
            )
        assert path is not None
        return known, path
    terms = terms_of(target)
    path = Path(path) if path else _place(terms)
    table = known or _if_any(path) or Table(terms)
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
    with progress() as bar:
        task = bar.add_task("measuring", total=len(pieces) + len(networks))
        return build(table, target, pieces, networks, path, lambda done: bar.advance(task, done))


def _lacking(spans: "Iterable[Span]", table: "Table") -> "list[Piece]":
    """The pieces to measure for these spans."""
    from mobilenets.bench.pieces import pieces

    own = [piece for span in spans for piece in pieces(span.arch)]
    offered = [
        piece for span in spans for arch in networks_of(span, 0, OFFERED[span.way]) for piece in pieces(arch)
    ]
    return _chosen(own, offered, table)


def _chosen(own: "Iterable[Piece]", offered: "Iterable[Piece]", table: "Table") -> "list[Piece]":
    """All of one's own, and of those offered what is far from any other, so many of each kind."""
    from mobilenets.bench.sampling import spread

    return spread(own, offered, lambda piece: MOST.get(piece.kind, MOST_OTHERS), table.pieces)


def _taken_from(csv: Path, target: "Target", out: Path | None) -> dict[str, Any]:
    """The times of a CSV as a table, or in the one at `out`."""
    from mobilenets.bench.table import Terms, merged, write_table
    from mobilenets.bench.table_reading import read_csv

    if out is None:
        raise UsageError("a table from a CSV needs a place; give --out FILE")
    table = read_csv(csv, Terms(str(target), target.threads, target.precision or "float32", ""))
    before = _if_any(out)
    if before is not None:
        table = merged(before, table, csv)
    write_table(table, Path(out))
    return summary(table, Path(out))


def _place(terms: "Terms") -> Path:
    """Where in the cache folder the table of these terms is."""
    key = hashlib.sha256(repr(terms).encode()).hexdigest()[:24]
    return cache_folder() / "latency" / f"table-{key}.json"


def opened(path: Path) -> "Table":
    """The table in a file. Raises RunError when there is none."""
    table = _if_any(path)
    if table is None:
        raise RunError(f"there is no latency table at {path}; mobilenets latency build makes one")
    return table


def _if_any(path: Path) -> "Table | None":
    """The table in a file, None where there is none yet."""
    from mobilenets.bench.table_reading import read_table

    return read_table(path) if Path(path).exists() else None


def parsed(target: str) -> "Target":
    """The target in a text."""
    from mobilenets.runtimes import parse_target

    return parse_target(target)


def _numbers(name: str, given: Any) -> list[int]:
    """Whole numbers, also as text with commas. Raises UsageError."""
    try:
        return [int(one) for one in listed(given)]
    except ValueError as error:
        raise UsageError(f"{name} must be whole numbers with commas between, got {shown(given)}") from error


def listed(given: Any) -> list[Any]:
    """One value or several, also as text with commas, as a list."""
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    return list(given) if isinstance(given, Sequence) else [given]
