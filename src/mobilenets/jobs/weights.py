"""`list_weights`, `fetch_weights`, `convert_weights`: published weights, and files of any origin as ours."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec, cost
from mobilenets.arch import preprocess as preprocessing
from mobilenets.arch.card import numbered
from mobilenets.arch.heads import called, named
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import FAMILIES, find, side_of
from mobilenets.base.errors import UnknownName, UsageError, WeightsError
from mobilenets.base.files import sha256

if TYPE_CHECKING:
    from mobilenets.weights import Published
    from mobilenets.weights.load import Origin


def list_weights(*, filter: str | None = None) -> dict[str, Any]:  # noqa: A002 - named as the flag
    """The published weights: {"weights": [{name, model, params, classes, top1, licence, url, sha256, ...}]}.

    `top1` and `top5` are shares of ImageNet's validation images at `resolution`, None where no source gives
    them; `hub` is the place on the Hugging Face hub, whose files have no published hash (`sha256` None);
    `preprocess` says how images are prepared. `filter` is a part of the name or of the model's.
    """
    from mobilenets.weights import PUBLISHED

    wanted = [entry for entry in PUBLISHED.values() if (filter or "") in f"{entry.name} {entry.model}"]
    return {"weights": [_facts(entry) for entry in wanted]}


def fetch_weights(name: str) -> dict[str, Any]:
    """Published weights on this machine: {name, file, sha256, bytes, licence}.

    `name` is one of `list_weights`, or a network's, for the best that fit it; a second call finds the first
    one's file. Raises UnknownName, WeightsError when they cannot be had, StorageError.
    """
    from mobilenets.weights import fetch

    entry = _entry(name)
    path = fetch(entry)
    return {
        "name": entry.name,
        "file": str(path),
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "licence": entry.licence,
    }


def convert_weights(
    file: str | Path,
    *,
    model: str | None = None,
    width: float | None = None,
    dialect: str | None = None,
    resolution: int | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """A weights file of any origin as a file of ours: safetensors with the card, network included, inside.

    `file` is anything that `weights.load_weights` reads, or a published name. Without `model` the network is
    found by the weights themselves; `resolution` is by default the file's own, else 224. `out` is by default
    the file's name with .safetensors, in the working folder.
    Gives {file, source, model, params, classes, resolution, sha256, arch}. Raises WeightsError for a file
    that is broken or fits no network, UsageError where it fits several or would be overwritten, UnknownName,
    MissingPackage, StorageError.
    """
    from mobilenets.arch.card import Card
    from mobilenets.jobs.start import command
    from mobilenets.nn import build, save_model
    from mobilenets.weights import load_weights

    place = Path(out) if out else Path(f"{_stem(Path(file).name)}.safetensors")
    if place.suffix.lower() != ".safetensors":
        raise UsageError(f"a weights file of ours ends in .safetensors, got --out {place}")
    if place.exists() and (out is None or (Path(file).exists() and place.samefile(file))):
        raise UsageError(f"{place} is there already; give another place with --out")
    arch = _arch(str(file), model, width, dialect, resolution)
    network = build(arch).eval()
    origin = load_weights(network, file)
    if origin.new_head:
        raise WeightsError(
            f"{file} has no classifier for {arch.head.classes} classes; give the whole network's"
        )
    card = Card(arch.head.task, arch, *_manner(arch, origin), weights=origin.description, command=command())
    save_model(place, network, card)
    return {
        "file": str(place),
        "source": origin.description,
        "model": arch.name,
        "params": cost(arch).params,
        "classes": arch.head.classes,
        "resolution": arch.resolution,
        "sha256": sha256(place),
        "arch": codec.encode(arch),
    }


def _stem(name: str) -> str:
    """A file's name without what says its kind."""
    from mobilenets.weights.files import SUFFIXES

    ending = max((one for one in SUFFIXES if name.endswith(one)), key=len, default="")
    return name.removesuffix(ending) or "model"


def _arch(
    file: str, model: str | None, width: float | None, dialect: str | None, resolution: int | None
) -> Arch:
    """The network that the weights are for: the one that is named, else the only one that they fit."""
    from mobilenets.weights import PUBLISHED, class_count, own_card, published_file, read_weights

    if model is None and (width is not None or dialect is not None):
        raise UsageError("width and dialect are those of a model; give --model too")
    if entry := PUBLISHED.get(file) or published_file(Path(file)):
        side = side_of(resolution, entry.resolution)
        return find(model or entry.model, width, side, entry.classes, dialect)
    if not Path(file).exists():
        raise UnknownName("file or published weights", file, PUBLISHED)
    held, card = read_weights(Path(file)), own_card(Path(file))
    side = side_of(resolution, _side(held))
    if model is not None and named(model):
        return called(model, width, resolution, dialect)
    if model is not None:
        return find(model, width, side, class_count(held) or 1000, dialect)
    if card:
        return replace(card.arch, resolution=side_of(resolution, card.arch.resolution))
    return replace(_only(file, held), resolution=side)


def _side(held: Any) -> int:
    """The input side in pixels that a file states, else the published networks' usual."""
    from mobilenets.weights import Ordered

    return held.preprocess.crop if isinstance(held, Ordered) else 224


def _only(file: str, held: Any) -> Arch:
    """The one network that weights fit. Raises WeightsError for none, UsageError for several."""
    from mobilenets.weights import fitting

    found = list(islice(fitting(held), 3))
    if len(found) > 1:
        raise UsageError(
            f"{file} fits {' and '.join(options for options, _ in found)}, which compute differently; "
            "say which with --model (and --width, --dialect)"
        )
    if not found:
        raise WeightsError(
            f"{file} fits no network of the zoo ({', '.join(FAMILIES)}); say which with --model"
        )
    return found[0][1]


def _manner(arch: Arch, origin: "Origin") -> tuple[tuple[str, ...], preprocessing.Preprocess]:
    """Class names and preprocessing; where nobody gives them, numbers and ImageNet's usual."""
    labels = origin.labels or numbered(arch.head.classes)
    side = arch.resolution
    return labels, origin.preprocess or preprocessing.Preprocess(side, round(side / 0.875))


def _entry(name: str) -> "Published":
    """The published weights of a name, or the best of a network's. Raises UnknownName, WeightsError."""
    from mobilenets.arch.zoo import names
    from mobilenets.weights import PUBLISHED, published_for

    if name in PUBLISHED:
        return PUBLISHED[name]
    if name not in names():
        raise UnknownName("published weights", name, PUBLISHED)
    if best := published_for(find(name)) or published_for(find(name), anywhere=True):
        return best
    raise WeightsError(f"there are no published weights of {name}; see: mobilenets weights list")


def _facts(entry: "Published") -> dict[str, Any]:
    """One record of the list."""
    from mobilenets.weights import cached

    return {
        "name": entry.name,
        "model": entry.model,
        "params": cost(entry.arch).params,
        "resolution": entry.resolution,
        "classes": entry.classes,
        "top1": round(entry.top1 / 100, 5) if entry.top1 else None,
        "top5": round(entry.top5 / 100, 5) if entry.top5 else None,
        "source": entry.source,
        "licence": entry.licence,
        "url": entry.url,
        "hub": entry.hub,
        "sha256": entry.sha256,
        "preprocess": preprocessing.encode(entry.preprocess),
        "here": cached(entry).is_file(),
    }
