"""What is known of a network of the zoo before it is built: its costs, and what was published about it."""

from typing import Any

from mobilenets.arch.cost import cost
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.arch.zoo.latencies import published_latencies
from mobilenets.arch.zoo.published import Accuracy, published_side, published_top1

Row = dict[str, Any]
DEVICE = "Pixel 1"  # the phone that most of the published latencies were measured on


def facts(name: str, width: float, arch: Arch) -> Row:
    """What is known of a network: its costs, and its published accuracy, latency and weights where there are
    any.
    """
    counted = cost(arch)
    entry = _published(arch, anywhere=True)
    top1, source = published_accuracy(arch, width, anywhere=True) or (None, None)
    shown_here = arch.resolution == _side(arch, entry)
    theirs = published_latencies(arch.name, width, arch.resolution) if _is_authors(arch, width) else ()
    return {
        "name": name,
        "family": line_of(arch.name),
        "params": counted.params,
        "macs": counted.macs,
        "peak_bytes": counted.peak_bytes,
        "resolution": arch.resolution,
        "width": width,
        "dialect": arch.dialect.name,
        "top1": round(top1 / 100, 5) if shown_here and top1 else None,
        "source": source if shown_here and top1 else None,
        "latency": [latency._asdict() for latency in theirs],
        "weights": entry.name if entry else None,
    }


def at_home(name: str, width: float | None = None) -> Arch:
    """The network at the input side that its published accuracy is for."""
    arch = find(name, width)
    return find(name, width, _side(arch, _published(arch, anywhere=True)))


def line_of(family: str) -> str:
    """The paper's line that a family belongs to, e.g. mobilenet_v3: the name of its file in the zoo."""
    return FAMILIES[family].__module__.rpartition(".")[2]


def on_device(row: Row, device: str = DEVICE) -> float | None:
    """The published latency of a row of `list_models` on a device in float32, in ms; the first source's."""
    found = (one for one in row["latency"] if one["device"] == device and one["precision"] == "float32")
    return next((one["ms"] for one in found), None)


def published_accuracy(arch: Arch, width: float, *, anywhere: bool = False) -> Accuracy | None:
    """Top-1 in per cent at the published input side: of the best published weights, else the authors'
    figure. Weights that cannot be had here count with `anywhere` only.
    """
    entry = _published(arch, anywhere=anywhere)
    return Accuracy(entry.top1, entry.source) if entry and entry.top1 else _figure(arch, width)


def _is_authors(arch: Arch, width: float) -> bool:
    """Whether this is the authors' network: dialects round some widths to others, and aliases vary it."""
    theirs = FAMILIES[arch.name](width=width, resolution=arch.resolution, dialect="tensorflow")
    return cost(theirs) == cost(arch)


def _figure(arch: Arch, width: float) -> Accuracy | None:
    """The authors' figure, where this is the authors' network."""
    return published_top1(arch.name, width, published_side(arch.name)) if _is_authors(arch, width) else None


def _side(arch: Arch, entry: Any) -> int:
    """The input side in pixels of the published accuracy: of the weights `entry`, else of the authors."""
    side: int = entry.resolution if entry and entry.top1 is not None else published_side(arch.name)
    return side


def _published(arch: Arch, *, anywhere: bool) -> Any:
    """The best published weights of a network, or None."""
    from mobilenets.weights import published_for

    return published_for(arch, anywhere=anywhere)
