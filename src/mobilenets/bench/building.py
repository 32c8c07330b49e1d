"""Measuring pieces and whole networks through the real runtime, many per converted file, into a table."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import torch

from mobilenets.arch.card import Card, numbered
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.console import say
from mobilenets.base.errors import ExportError, UsageError
from mobilenets.base.run import cpu_name
from mobilenets.bench import modules
from mobilenets.bench.bursts import in_bursts
from mobilenets.bench.families import work
from mobilenets.bench.pieces import Piece
from mobilenets.bench.record import Timing
from mobilenets.bench.table import Measured, Table, Terms, merged, write_table
from mobilenets.bench.table_reading import read_table
from mobilenets.bench.timing import measure_interleaved
from mobilenets.exporters import EXPORTERS
from mobilenets.nn import build as build_network
from mobilenets.runtimes import OnDevice, Target, connect

CONVERTERS = {"litert": ("ai-edge-litert", "litert-torch"), "onnx": ("onnxruntime", "torch")}
PIECES, NETWORKS = 48, 4  # measured in turns with the reference; as many are lost when a build is killed
MOST_BYTES = 64_000_000  # of weights in one conversion
SECONDS = 0.15  # spent on each piece
NETWORK_SECONDS = 2.0  # and on each network
LEAST_RUNS = 30
REFERENCE = "reference"


def reference() -> Arch:
    """The network that is measured in turns with everything.

    It calculates and reads weights in about equal parts, so that a machine whose memory is busy with other
    work slows it down about as much as it does most networks.
    """
    return find("mobilenet_v3_small", resolution=224)


def terms_of(target: Target) -> Terms:
    """On what is measured here. Raises UsageError for a runtime without pieces, DeviceError for a device."""
    if target.runtime not in CONVERTERS:
        raise UsageError(f"latency tables are for {' and '.join(CONVERTERS)}, not for {target.runtime}")
    converter = {name: metadata.version(name) for name in CONVERTERS[target.runtime]}
    cpu, versions = cpu_name(), converter
    if target.remote:
        about = connect(target).environment
        cpu = " ".join(str(about[key]) for key in ("device", "cpu") if about.get(key))
        versions = {
            **about["versions"],
            CONVERTERS[target.runtime][1]: converter[CONVERTERS[target.runtime][1]],
        }
    return Terms(
        str(target), target.threads, target.precision or "float32", cpu, tuple(sorted(versions.items()))
    )


def build(
    table: Table,
    target: Target,
    wanted: Sequence[Piece],
    networks: Sequence[Arch],
    path: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> Table:
    """Measure the pieces and networks that the table lacks; each handful is written to `path` at once.

    So what is killed goes on where it was. `progress` hears how many more were done. A piece that cannot be
    converted is named and left out.
    Raises ExportError when a network cannot be converted, DeviceError when a device is lost, StorageError.
    """
    if table.reference is None:
        table = replace(table, reference=reference())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert table.reference is not None
        beside = export(table.reference, target.runtime, folder / "reference.bin")
        for several in handfuls([piece for piece in dict.fromkeys(wanted) if piece not in table.pieces]):
            files = dict(convert(several, target.runtime, folder))
            table = _kept(table.extended(pieces=measured(files, beside, target, SECONDS)), path)
            progress(len(several))
            _clear(files.values())
        left = [arch for arch in dict.fromkeys(networks) if arch not in table.networks]
        for start in range(0, len(left), NETWORKS):
            exported = {}
            for index, arch in enumerate(left[start : start + NETWORKS]):
                exported[arch] = export(arch, target.runtime, folder / f"network{index}.bin")
                progress(1)
            table = _kept(table.extended(networks=measured(exported, beside, target, NETWORK_SECONDS)), path)
    return table


def _kept(table: Table, path: Path) -> Table:
    """The table, written to `path`, with what others added there meanwhile."""
    if path.exists():
        table = merged(read_table(path), table, path)
    write_table(table, path)
    return table


def measured(files: Mapping[Any, Path], beside: Path, target: Target, seconds: float) -> dict[Any, Measured]:
    """What each file takes, in turns with the reference network in the file `beside`."""
    if not files:
        return {}
    found = timings({**files, REFERENCE: beside}, target, seconds)
    speed, date = found[REFERENCE].median_ms, datetime.now(UTC).isoformat(timespec="seconds")
    return {
        key: Measured(found[key].median_ms, found[key].iqr_ms, found[key].runs, speed, date) for key in files
    }


def timings(files: Mapping[Any, Path], target: Target, seconds: float) -> Mapping[Any, Timing]:
    """The latency of files with any inputs, in turns. Raises DeviceError when a device is lost."""
    if target.remote:
        station = connect(target)
        far = {key: OnDevice(path, target, station) for key, path in files.items()}
        return measure_interleaved(far, seconds=seconds, min_runs=LEAST_RUNS)
    runtime = import_module(f"mobilenets.runtimes.{target.runtime}")
    return in_bursts({key: runtime.open_graph(path, target) for key, path in files.items()}, seconds)


def convert(several: Sequence[Piece], runtime: str, folder: Path) -> Iterator[tuple[Piece, Path]]:
    """A file for each piece; where a conversion fails, halves of the pieces, down to the one at fault."""
    exporter = import_module(EXPORTERS[runtime])
    paths = [folder / f"{index}.{abs(hash(piece)):x}.bin" for index, piece in enumerate(several)]
    try:
        with torch.no_grad():
            exporter.write_parts(
                [modules.module(p) for p in several], [modules.inputs(p) for p in several], paths
            )
    except ExportError as error:
        if len(several) == 1:
            say(f"{several[0]} is left out: {error}")
            return
        half = len(several) // 2
        yield from convert(several[:half], runtime, folder)
        yield from convert(several[half:], runtime, folder)
        return
    yield from zip(several, paths, strict=True)


def export(arch: Arch, runtime: str, path: Path) -> Path:
    """The network, untrained, as `mobilenets export` writes it, without comparing its answers."""
    side, task = arch.resolution, arch.head.task
    labels = numbered(arch.head.classes)
    outputs = {"detect": "plain", "segment": "scores"}.get(task, "")
    card = Card(task, arch, labels, Preprocess(side, side, fit="stretch"), outputs=outputs)
    import_module(EXPORTERS[runtime]).write(build_network(arch).eval(), card, path)
    return path


def handfuls(wanted: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The pieces, so many at a time that a conversion stays small."""
    several: list[Piece] = []
    size = 0
    for piece in wanted:
        own = 4 * work(piece).weights
        if several and (len(several) == PIECES or size + own > MOST_BYTES):
            yield several
            several, size = [], 0
        several.append(piece)
        size += own
    if several:
        yield several


def _clear(paths: Any) -> None:
    """Delete files that are measured."""
    for path in paths:
        path.unlink(missing_ok=True)
