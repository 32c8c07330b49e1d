"""`mobilenets latency build` and `predict`: tables for a target, and what they tell of networks."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import edit
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError, shown
from mobilenets.jobs.latency_tables import chosen, if_any, parsed, spanning
from mobilenets.jobs.subject import Asked, arch_for

if TYPE_CHECKING:
    from mobilenets.bench.table import Table
    from mobilenets.runtimes import Target

SPACE = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
SIDES = (224, 96)
KERNELS = (3, 5)


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
    table, path = spanning(spans, wanted, out)
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


def _taken_from(csv: Path, target: "Target", out: Path | None) -> dict[str, Any]:
    """The times of a CSV as a table, or in the one at `out`."""
    from mobilenets.bench.table import Terms, merged, write_table
    from mobilenets.bench.table_reading import read_csv

    if out is None:
        raise UsageError("a table from a CSV needs a place; give --out FILE")
    table = read_csv(csv, Terms(str(target), target.threads, target.precision or "float32", ""))
    before = if_any(out)
    if before is not None:
        table = merged(before, table, csv)
    write_table(table, Path(out))
    return summary(table, Path(out))


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
