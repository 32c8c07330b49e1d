"""`list_models`, `describe`, `create_model`: the networks by name."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenets.arch import codec, edit
from mobilenets.arch.cost import cost, cost_per_op
from mobilenets.arch.heads import called
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import ALIASES, FAMILIES, find
from mobilenets.arch.zoo.published import TOP1, USUAL_SIDE
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.jobs.known import Row, at_home, facts, line_of, on_device

if TYPE_CHECKING:
    from mobilenets.nn import Network

ORDERS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: row["name"],
    "params": lambda row: row["params"],
    "macs": lambda row: row["macs"],
    "memory": lambda row: row["peak_bytes"],
    "width": lambda row: row["width"],
    "top1": lambda row: -(row["top1"] or 0),
    "latency": lambda row: _last(on_device(row)),
    "measured": lambda row: _last((row.get("measured") or {}).get("median_ms")),
}
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}

COSTLY = "mobilenet_v3_large"  # whose costly layers the paper redesigned (V3, section 5.1)


class Variant(NamedTuple):
    """Arguments of the family, and by how many multiply-accumulates the paper says it costs more."""

    settings: Mapping[str, Any]
    paper_more_macs: int | None = None


REDESIGN: Mapping[str, Variant] = MappingProxyType(
    {
        "as published": Variant({}),
        "original last stage": Variant({"last_stage": "original"}, 30_000_000),
        "stem of 32 filters": Variant({"stem": 32}, 10_000_000),
        "both": Variant({"last_stage": "original", "stem": 32}),
    }
)


def list_models(
    *,
    sort: str | None = None,
    filter: str | None = None,  # noqa: A002 - named as the flag
    family: str | None = None,
    max_macs: str | float | None = None,
    max_params: str | float | None = None,
    source: str | None = None,
    resolution: int | None = None,
    measure: str | None = None,
    plot: str | Path | None = None,
) -> dict[str, Any]:
    """The families at their published widths and every alias: {"models": [{name, width, params, macs, ...}]}.

    Without a `resolution`, each has the input side of its published accuracy. `peak_bytes` are float32
    activations alive at once. `top1` is the published share of ImageNet's validation images, None at other
    resolutions; `source` says who published it, `weights` names the published weights.
    `latency` holds what was published, each with its device, `ms`, precision and source. With `measure`, a
    target, every network is measured here once (kept in the cache folder): `measured` is the timing with its
    terms. `plot` draws top1 against macs, and against what was measured, into an .html, .png or .svg file.
    `sort` is a column (top1: best first; latency: the published one on a Pixel 1), by default the order of
    the papers; `filter` a part of the name, `family` a paper's line or one of its networks, `source` a part
    of who published the accuracy; `max_macs` and `max_params` are counts or texts like "100M".
    Raises UnknownName for another column or family, UsageError for a resolution, count or plot that cannot
    be, ExportError, StorageError.
    """
    if sort is not None and sort not in ORDERS:
        raise UnknownName("column to sort by", sort, ORDERS)
    if sort == "measured" and measure is None:
        raise UsageError("nothing is measured to sort by; give --measure TARGET, or sort by another column")
    if family is not None and family not in {*FAMILIES, *map(line_of, FAMILIES)}:
        raise UnknownName("family", family, {*FAMILIES, *map(line_of, FAMILIES)})
    if plot is not None:
        from mobilenets.reports.scatter import checked_suffix

        checked_suffix(Path(plot))
    wanted = [(name, width) for name, width in _named() if (filter or "") in name]
    found = [
        (facts(name, width, arch), arch)
        for name, width in wanted
        for arch in [at_home(name, width) if resolution is None else find(name, width, resolution)]
    ]
    limits = {"macs": _count("max_macs", max_macs), "params": _count("max_params", max_params)}
    found = [
        (row, arch)
        for row, arch in found
        if all(row[key] <= most for key, most in limits.items())
        and family in (None, row["family"], arch.name)
        and (source or "").lower() in (row["source"] or "").lower()
    ]
    if measure is not None:
        _measure(found, measure)
    rows = [row for row, _ in found]
    if plot is not None:
        _plot(Path(plot), rows, measure)
    return {"models": sorted(rows, key=ORDERS[sort]) if sort else rows}


def describe(
    name: str,
    *,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    ops: bool = True,
    measure: str | None = None,
) -> dict[str, Any]:
    """One network: the facts of `list_models`, its `arch` as JSON, and with `ops` every operation with its
    channels, sides, params and macs.

    `name` is one of `list_models`, or a detector or segmenter as torchvision names them; `resolution` is by
    default 224, or that of the latter. `measure`, a target, adds its latency here with the terms.
    For V3-Large, `redesign` sets beside it the network before the paper's redesign of its costly layers.
    Raises UnknownName, UsageError as `arch.heads.called`; with `measure` ExportError, StorageError.
    """
    arch = called(name, width, resolution, dialect)
    settled = ALIASES[name][1].get("width", 1.0) if name in ALIASES else 1.0
    document = facts(name, width or settled, arch)
    document |= {"arch": codec.encode(arch)}
    if name == COSTLY:
        document["redesign"] = redesign(arch, width or 1.0, measure)
        document |= {"measured": document["redesign"][0]["measured"]} if measure else {}
    elif measure is not None:
        from mobilenets.jobs.measured import measured

        [document["measured"]] = measured([arch], measure)
    if ops:
        document["ops"] = [
            {**asdict(op), "name": path, "params": op.params, "macs": op.macs}
            for path, op in cost_per_op(arch)
        ]
    return document


def redesign(arch: Arch, width: float = 1.0, measure: str | None = None) -> list[Row]:
    """V3-Large `arch` and what it was before its costly layers were redesigned (V3, section 5.1):

    {layers, params, macs, more_macs, paper_more_macs, measured}; the latencies on the target `measure` are
    taken in turns. `paper_more_macs` are the paper's rounded figures, told for width 1.0 at 224 pixels.
    """
    side = arch.resolution
    archs = [
        find(COSTLY, width, side, arch.head.classes, arch.dialect.name, **variant.settings)
        for variant in REDESIGN.values()
    ]
    timings: list[Any] = [None] * len(archs)
    if measure is not None:
        from mobilenets.jobs.measured import measured

        timings = measured(archs, measure)
    return [
        {
            "layers": layers,
            "params": cost(one).params,
            "macs": cost(one).macs,
            "more_macs": cost(one).macs - cost(archs[0]).macs,
            "paper_more_macs": variant.paper_more_macs if (width, side) == (1.0, USUAL_SIDE) else None,
            "measured": timing,
        }
        for (layers, variant), one, timing in zip(REDESIGN.items(), archs, timings, strict=True)
    ]


def create_model(
    name: str,
    *,
    width: float | None = None,
    resolution: int | None = None,
    classes: int | None = None,
    dialect: str | None = None,
    weights: str | Path = "none",
) -> "Network":
    """A network by its name (as in `describe`) as a torch module, in training mode as torch makes them.

    `classes` are by default ImageNet's 1000, or those that a detector or segmenter comes with. `weights` is
    "none" (fresh; seed torch to repeat it), "imagenet", a published name or a file; where the weights have
    other classes, the classifier stays fresh.
    Raises UnknownName, UsageError, WeightsError.
    """
    from mobilenets.nn import build

    arch = called(name, width, resolution, dialect)
    network = build(arch if classes is None else edit.classes(arch, classes))
    if str(weights) != "none":
        from mobilenets.weights import load_weights

        load_weights(network, weights)
    return network.train()


def _named() -> Iterator[tuple[str, float]]:
    """Names and widths: each family at the widths that have figures, then the aliases."""
    for family in FAMILIES:
        for width in sorted({1.0} | {width for name, width in TOP1 if name == family}):
            yield family, width
    for alias, (_, settled) in ALIASES.items():
        yield alias, settled.get("width", 1.0)


def _measure(found: list[tuple[Row, Arch]], target: str) -> None:
    """Add the latency measured here to every row, each network by itself."""
    from mobilenets.base.console import say, track
    from mobilenets.jobs.measured import measured

    for row, arch in track(found, "measuring"):
        [timing] = measured([arch], target)
        name = f"{row['name']} x{row['width']:g} at {arch.resolution} pixels"
        say(f"{name}: {timing['median_ms']:.2f} ms on {target}")
        row["measured"] = timing


def _plot(path: Path, rows: list[Row], target: str | None) -> None:
    """Draw the rows with a published accuracy."""
    from mobilenets.reports.scatter import Point, write_scatter

    points = [
        Point(f"{row['name']} {row['width']:g}" if row["name"] in FAMILIES else row["name"], row["family"],
              100 * row["top1"], row["macs"], (row.get("measured") or {}).get("median_ms"))
        for row in rows
        if row["top1"] is not None
    ]  # fmt: skip
    about = next((row["measured"] for row in rows if row.get("measured")), None)
    terms = (
        f"Latency: the median of untrained networks on {target}, one image at a time, "
        f"on {about['environment']['cpu']}."
        if about
        else ""
    )
    write_scatter(path, points, terms)


def _last(value: float | None) -> float:
    """A number to sort by; what is not known comes last."""
    return float("inf") if value is None else value


def _count(name: str, given: str | float | None) -> float:
    """A count like 5e6, "100M" or "1.2G"; without one, no limit. Raises UsageError."""
    if given is None:
        return float("inf")
    match = re.fullmatch(r"\s*([0-9.]+(?:e[+]?[0-9]+)?)\s*([kmg]?)\s*", str(given).lower())
    try:
        return float(match[1]) * UNITS[match[2]]  # type: ignore[index]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be a count like 100M or 5e8, got {given!r}") from error
