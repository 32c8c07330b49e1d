"""Latency of untrained networks measured on this machine, and kept with its terms."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec
from mobilenets.arch.spec import Arch, Classifier, DeepLab, Embedder
from mobilenets.base.console import say
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import environment
from mobilenets.jobs.alone import measuring

if TYPE_CHECKING:
    from mobilenets.bench.record import Timing
    from mobilenets.runtimes import Target

SECONDS = 1.0  # spent on each network
SPREAD = 0.2  # of the median, over which half of the runs may spread
TRIES = 3  # to find such a moment on a machine that others use


def measured(archs: Sequence[Arch], target: str, *, fresh: bool = False) -> list[dict[str, Any]]:
    """The latency of each network on `target` in ms at batch 1, with its terms and when it was measured.

    Several are measured in turns, so that their ratios hold; up to three times where times spread, and where
    they do each time, the quickest counts. What was measured before on this processor with these versions,
    undisturbed, is read from the cache folder, unless it is to be `fresh`, which is not kept; delete its
    folder `latency` to measure all again. Another device is measured each time.
    Raises UsageError, UnknownName for a target, ExportError, StorageError, DeviceError.
    """
    from mobilenets.runtimes import parse_target

    wanted = parse_target(target)
    plain = [_plain(arch) for arch in archs]
    path = _place(plain, str(wanted))
    if path.exists() and not wanted.remote and not fresh:
        rows: list[dict[str, Any]] = read_json(path)
        return rows
    files = [_file(arch, wanted.runtime) for arch in plain]
    with measuring():
        timings = _calm(files, wanted)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [{**timing.as_dict(), "time": now} for timing in timings]
    if _spread(timings) <= SPREAD:
        if not fresh:
            write_json(path, rows)
    else:
        say(
            f"times on {wanted} spread by {100 * _spread(timings):.0f} %: something else is running there; "
            "they are taken as they are, and not kept"
        )
    return rows


def beyond_tables(arch: Arch, target: str) -> float:
    """Milliseconds that a detector's file takes for NMS, of which latency tables know nothing; 0 for others.

    Two untrained files of it, with and without, are measured in turns. Raises as `measured`.
    """
    from mobilenets.runtimes import parse_target

    wanted = parse_target(target)
    if arch.head.task != "detect":
        return 0.0
    files = [_file(_plain(arch), wanted.runtime, form) for form in (None, "plain")]
    with measuring():
        whole, plain = _calm(files, wanted)
    return max(0.0, whole.median_ms - plain.median_ms)


def _calm(paths: Sequence[Path], target: "Target") -> "list[Timing]":
    """Times of files in turns: the first calm ones, or of three the quickest: what disturbs adds to them."""
    from mobilenets.bench import measure_files

    files = {str(index): path for index, path in enumerate(paths)}
    found: list[list[Timing]] = []
    while len(found) < TRIES:
        found.append(list(measure_files(files, target, seconds=SECONDS).values()))
        if _spread(found[-1]) <= SPREAD:
            return found[-1]
    return min(found, key=lambda timings: sum(one.median_ms for one in timings))


def _spread(timings: "Sequence[Timing]") -> float:
    """The interquartile range as a share of the median, in the middle of several."""
    return median(one.iqr_ms / one.median_ms for one in timings)


def _file(arch: Arch, runtime: str, form: str | None = None) -> Path:
    """An exported file of the untrained network, in the usual form or another."""
    import torch

    from mobilenets.jobs.subject import blank_card, exported_once
    from mobilenets.nn import build

    torch.manual_seed(0)
    return exported_once(build(arch).eval(), blank_card(arch), runtime, "untrained", form)


def _plain(arch: Arch) -> Arch:
    """The network without what takes no time, so that its names share one measurement."""
    head = arch.head
    hidden = arch.dialect.hidden if isinstance(head, Classifier) and head.hidden else "linear"
    dialect = replace(arch.dialect, name="", norm_momentum=0.1, norm_eps=1e-3, hidden=hidden)
    if isinstance(head, Classifier | DeepLab | Embedder):
        head = replace(head, dropout=0.0)
    return replace(arch, name="", head=head, dialect=dialect)


def _place(archs: Sequence[Arch], target: str) -> Path:
    """Where the measurement is kept: it belongs to networks, target, processor and versions."""
    from mobilenets.exporters import revision

    about = environment()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ()  # those we may use
    terms = (*map(codec.dumps, archs), target, f"{about['cpu']!r} {cores}", repr(about["packages"]),
             revision())  # fmt: skip
    return (
        cache_folder() / "latency" / f"{hashlib.sha256(chr(10).join(terms).encode()).hexdigest()[:24]}.json"
    )
