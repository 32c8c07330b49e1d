"""How far a latency table's predictions are from networks that it has not seen."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch.spec import Arch
from mobilenets.base.console import progress, say
from mobilenets.base.errors import UsageError
from mobilenets.jobs.latency import summary
from mobilenets.jobs.latency_tables import (
    FIRST_CHECKED,
    NETWORK_SECONDS,
    chosen,
    networks_of,
    opened,
    parsed,
)

if TYPE_CHECKING:
    from mobilenets.bench.predicting import Predictor
    from mobilenets.bench.table import Measured, Span
    from mobilenets.runtimes import Target

LEAST = 3  # networks; fewer have no rank correlation worth the name


def check_latency(
    table: Path | None = None, *, target: str | None = None, n: int = 40, first: int = 0
) -> dict[str, Any]:
    """Measure `n` random networks that the table is meant for and compare them with its predictions.

    None of them took part in building it; `first` is the number of the first, so that others can be drawn.
    They are measured in turns with the table's reference network. `mae_pct` is the mean absolute error of
    the measured times scaled by it to the machine's speed of then, `mae_raw_pct` that of the times as they
    are, `spearman` the rank correlation. The figures are written into the
    table, unless it was extended meanwhile.
    Raises UsageError for a table of other terms or one that is meant for no networks, RunError, ExportError,
    DeviceError, StorageError.
    """
    from mobilenets.bench.building import terms_of
    from mobilenets.bench.predicting import Predictor
    from mobilenets.bench.table import Check, write_table

    found, path = chosen(table, target)
    wanted = parsed(found.terms.target)
    found.expect(terms_of(wanted), path)
    if n < LEAST or first < 0:
        raise UsageError(f"at least {LEAST} networks are checked, numbered from 0 on; got {n} from {first}")
    if not found.spans or found.reference is None:
        raise UsageError(
            f"{path} does not say what networks it is meant for; build it with mobilenets latency build"
        )
    predictor = Predictor(found)
    networks = drawn(found.spans, n, FIRST_CHECKED + first)
    say(f"measuring {n} random networks on {wanted}, about {max(1, round(n * NETWORK_SECONDS / 60))} minutes")
    rows = [row(predictor, arch, one) for arch, one in _measured(networks, found.reference, wanted)]
    figures = compared(rows)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if opened(path) == found:
        write_table(replace(found, check=Check(**figures, date=now)), path)
    else:
        say(f"{path} has grown meanwhile: the figures are of it as it was, and are not kept in it")
    return {**figures, "rows": rows, **summary(replace(found, check=None), path)}


def drawn(spans: "Sequence[Span]", count: int, first: int) -> list[Arch]:
    """So many random networks, of each span in turn."""
    each = -(-count // len(spans))
    columns = [networks_of(span, first, each) for span in spans]
    return [arch for several in zip(*columns, strict=True) for arch in several][:count]


def row(predictor: "Predictor", arch: Arch, one: "Measured") -> dict[str, Any]:
    """One network: predicted, measured, and that on the machine as fast as it was for the table."""
    predicted, scaled = predictor.predict(arch), predictor.table.scaled(one)
    return {
        "name": arch.name,
        "resolution": arch.resolution,
        "predicted_ms": predicted.ms,
        "error_ms": predicted.error_ms,
        "measured_ms": one.ms,
        "scaled_ms": scaled,
        "error_pct": 100 * (predicted.ms / scaled - 1),
        "error_raw_pct": 100 * (predicted.ms / one.ms - 1),
        "missing": list(predicted.missing),
    }


def compared(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean absolute errors in per cent, rank correlation, number of networks."""
    return {
        "mae_pct": sum(abs(one["error_pct"]) for one in rows) / len(rows),
        "mae_raw_pct": sum(abs(one["error_raw_pct"]) for one in rows) / len(rows),
        "spearman": spearman([one["predicted_ms"] for one in rows], [one["scaled_ms"] for one in rows]),
        "n": len(rows),
    }


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation; equal values share the mean of their ranks. 0 where all are equal."""
    import numpy as np

    ranks = [
        [(sum(v < value for v in values) + sum(v <= value for v in values) - 1) / 2 for value in values]
        for values in (one, other)
    ]
    if any(len(set(each)) == 1 for each in ranks):
        return 0.0
    return float(np.corrcoef(np.array(ranks))[0, 1])


def _measured(
    networks: Sequence[Arch], reference: Arch, target: "Target"
) -> "Iterator[tuple[Arch, Measured]]":
    """What each network takes, a few in turns with the reference."""
    from mobilenets.bench.building import NETWORK_SECONDS as SECONDS
    from mobilenets.bench.building import NETWORKS, export, measured

    with tempfile.TemporaryDirectory() as name, progress() as bar:
        folder, task = Path(name), bar.add_task("checking", total=len(networks))
        beside = export(reference, target.runtime, folder / "reference.bin")
        for start in range(0, len(networks), NETWORKS):
            files = {}
            for index, arch in enumerate(networks[start : start + NETWORKS]):
                files[arch] = export(arch, target.runtime, folder / f"{index}.bin")
                bar.advance(task)
            yield from measured(files, beside, target, SECONDS).items()
