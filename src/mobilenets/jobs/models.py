"""`list_models`, `describe`, `create_model`: the networks by name."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec
from mobilenets.arch.cost import cost, cost_per_op
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import ALIASES, FAMILIES, find
from mobilenets.arch.zoo.published import TOP1, Accuracy, published_top1
from mobilenets.base.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from mobilenets.nn import Network

Row = dict[str, Any]
ORDERS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: row["name"],
    "params": lambda row: row["params"],
    "macs": lambda row: row["macs"],
    "width": lambda row: row["width"],
    "top1": lambda row: -(row["top1"] or 0),
}
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
PUBLISHED_SIDE = 224  # the input side that the published figures are for


def list_models(
    *,
    sort: str | None = None,
    filter: str | None = None,  # noqa: A002 - named as the flag
    max_macs: str | float | None = None,
    resolution: int = PUBLISHED_SIDE,
) -> dict[str, Any]:
    """The families at their published widths and every alias: {"models": [{name, width, params, macs, ...}]}.

    `top1` is the published share of ImageNet's validation images, None at other resolutions; `source` says
    who published it, `weights` names the published weights. `sort` is a column (top1: best first), by default
    the order of the papers; `filter` a part of the name; `max_macs` a count or a text like "100M".
    Raises UnknownName for another column, UsageError for a resolution or count that cannot be.
    """
    if sort is not None and sort not in ORDERS:
        raise UnknownName("column to sort by", sort, ORDERS)
    most = _count(max_macs)
    wanted = [(name, width) for name, width in _named() if (filter or "") in name]
    rows = [_facts(name, width, find(name, width, resolution)) for name, width in wanted]
    rows = [row for row in rows if row["macs"] <= most]
    return {"models": sorted(rows, key=ORDERS[sort]) if sort else rows}


def describe(
    name: str,
    *,
    width: float | None = None,
    resolution: int = PUBLISHED_SIDE,
    dialect: str | None = None,
    ops: bool = False,
) -> dict[str, Any]:
    """One network: the facts of `list_models`, `peak_bytes` of activations, its `arch` as JSON, and with
    `ops`

    every operation with its channels, sides, params and macs.
    Raises UnknownName, UsageError as `arch.zoo.find`.
    """
    arch = find(name, width, resolution, dialect=dialect)
    settled = ALIASES[name][1].get("width", 1.0) if name in ALIASES else 1.0
    document = _facts(name, width or settled, arch)
    document |= {"peak_bytes": cost(arch).peak_bytes, "arch": codec.encode(arch)}
    if ops:
        document["ops"] = [
            {**asdict(op), "name": path, "params": op.params, "macs": op.macs}
            for path, op in cost_per_op(arch)
        ]
    return document


def create_model(
    name: str,
    *,
    width: float | None = None,
    resolution: int = PUBLISHED_SIDE,
    classes: int = 1000,
    dialect: str | None = None,
    weights: str | Path = "none",
) -> "Network":
    """A network of the zoo as a torch module, in training mode as torch makes them.

    `weights` is "none" (fresh; seed torch to repeat it), "imagenet", a published name or a file; where the
    weights have other classes, the classifier stays fresh.
    Raises UnknownName, UsageError, WeightsError.
    """
    from mobilenets.nn import build

    network = build(find(name, width, resolution, classes, dialect))
    if str(weights) != "none":
        from mobilenets.weights import load_weights

        load_weights(network, weights)
    return network.train()


def published_accuracy(arch: Arch, width: float) -> Accuracy | None:
    """Top-1 in per cent at the published input side: of the best published weights, else the authors'
    figure.
    """
    entry = _published(arch)
    return Accuracy(entry.top1, entry.source) if entry else _figure(arch, width)


def _named() -> Iterator[tuple[str, float]]:
    """Names and widths: each family at the widths that have figures, then the aliases."""
    for family in FAMILIES:
        for width in sorted({1.0} | {width for name, width in TOP1 if name == family}):
            yield family, width
    for alias, (_, settled) in ALIASES.items():
        yield alias, settled.get("width", 1.0)


def _facts(name: str, width: float, arch: Arch) -> Row:
    """What is known of a network: its costs, and its published accuracy and weights where there are any."""
    counted = cost(arch)
    entry = _published(arch)
    top1, source = published_accuracy(arch, width) or (None, None)
    at_home = arch.resolution == (entry.resolution if entry else PUBLISHED_SIDE)
    return {
        "name": name,
        "params": counted.params,
        "macs": counted.macs,
        "resolution": arch.resolution,
        "width": width,
        "dialect": arch.dialect.name,
        "top1": round(top1 / 100, 5) if at_home and top1 else None,
        "source": source if at_home and top1 else None,
        "weights": entry.name if entry else None,
    }


def _figure(arch: Arch, width: float) -> Accuracy | None:
    """The authors' figure, where this is the authors' network: dialects round some widths to others."""
    theirs = FAMILIES[arch.name](width=width, resolution=arch.resolution, dialect="tensorflow")
    return published_top1(arch.name, width) if cost(theirs) == cost(arch) else None


def _published(arch: Arch) -> Any:
    """The best published weights of a network, or None."""
    from mobilenets.weights import published_for

    return published_for(arch)


def _count(given: str | float | None) -> float:
    """A count like 5e6, "100M" or "1.2G"; without one, no limit. Raises UsageError."""
    if given is None:
        return float("inf")
    match = re.fullmatch(r"\s*([0-9.]+(?:e[+]?[0-9]+)?)\s*([kmg]?)\s*", str(given).lower())
    try:
        return float(match[1]) * UNITS[match[2]]  # type: ignore[index]
    except (TypeError, ValueError) as error:
        raise UsageError(f"max_macs must be a count like 100M or 5e8, got {given!r}") from error
