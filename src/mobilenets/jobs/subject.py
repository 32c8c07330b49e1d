"""What a verb is given: a run folder, a file, or a model's name; opened as a network or as a file for a
runtime.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.arch import codec
from mobilenets.arch.card import Card, numbered
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import DataError, RunError, UsageError, WeightsError
from mobilenets.base.files import cache_folder, read_json, sha256
from mobilenets.base.run import Run, environment, find_run
from mobilenets.runtimes.target import RUNTIMES

if TYPE_CHECKING:
    import numpy as np

    from mobilenets.nn import Network
    from mobilenets.runtimes import Session, Target

SUFFIX = RUNTIMES  # of the file that a runtime opens
SAMPLES = 16  # images on which an exported file is compared with the network


@dataclass(frozen=True)
class Asked:
    """A model as the user named it. Width, resolution, dialect and weights belong to names of the zoo
    only.
    """

    model: str
    weights: str | None = None
    width: float | None = None
    resolution: int | None = None
    dialect: str | None = None

    @property
    def is_name(self) -> bool:
        """Whether this is a name of the zoo rather than a folder or file."""
        return not Path(self.model).exists()

    def published(self) -> "Asked":
        """The same, a name with the published ImageNet weights unless others are given."""
        return replace(self, weights="imagenet") if self.is_name and self.weights is None else self

    def __post_init__(self) -> None:
        """Refuse settings of a zoo name given for a run or a file."""
        given = {
            "weights": self.weights,
            "width": self.width,
            "resolution": self.resolution,
            "dialect": self.dialect,
        }
        spare = [f"--{key}" for key, value in given.items() if value is not None]
        if not self.is_name and spare:
            raise UsageError(
                f"{self.model} already says its {', '.join(spare)}; these go with the name of a model only"
            )


def open_subject(asked: Asked, target: str | None = None) -> "Session":
    """The model, ready to run on `target`; by default in its own runtime (torch for runs and names).

    Raises UsageError, also for a target on another device, which gives no answers; RunError, WeightsError,
    ExportError.
    """
    from mobilenets.runtimes import open_session, parse_target

    wanted = parse_target(target) if target else None
    if wanted and wanted.remote:
        raise UsageError(f"{wanted} can be timed only, and gives no answers; run it here: {wanted.here}")
    path = file_for(asked, wanted.runtime if wanted else None)
    return open_session(path, wanted or default_target(path))


def run_of(path: Path) -> Run | None:
    """The run that a folder is, or in whose folder or its exports a file lies; None for other files."""
    places = (path,) if path.is_dir() else path.parents[:2] if path.is_file() else ()
    runs = (run for run in map(Run, places) if run.config.exists())
    return next((run for run in runs if run.dataset.exists() or run.card.exists()), None)


def default_target(path: Path) -> "Target":
    """The runtime that a file is for, on this processor with one thread; torch with all it likes."""
    import torch

    from mobilenets.runtimes import parse_target, runtime_of

    runtime = runtime_of(path)
    return parse_target(f"{runtime}:cpu:{torch.get_num_threads() if runtime == 'torch' else 1}")


def file_for(asked: Asked, runtime: str | None = None) -> Path:
    """A file of the model for `runtime`. What is not there yet is exported into the cache.

    Raises UnknownName, UsageError when a file is for another runtime, RunError, WeightsError, ExportError.
    """
    from mobilenets.runtimes import runtime_of

    path = Path(asked.model)
    if path.is_file():
        own = runtime_of(path)
        if runtime in (None, own):
            return path
        if own != "torch":
            raise UsageError(f"{path} is a file for {own} and cannot run on {runtime}; leave the target out")
    elif path.is_dir():
        exported = find_run(path).exports / f"model{SUFFIX[runtime or 'torch']}"
        if runtime not in (None, "torch") and exported.exists():
            return exported
        weights = finished(path)
        if runtime in (None, "torch"):
            return weights
    return cached_export(asked, runtime or "torch")


def finished(folder: Path) -> Path:
    """The weights of the run in a folder. Raises RunError where there is no run, or none that ended."""
    weights = find_run(folder).weights
    if not weights.exists():
        raise RunError(f"{folder} has no finished model yet; run its command again to go on")
    return weights


def network_for(asked: Asked) -> tuple["Network", Card]:
    """The model as a torch module in evaluation mode, with its card. Raises UnknownName, UsageError for a
    file that is for another runtime, RunError, WeightsError.
    """
    import torch

    from mobilenets.nn import build, load_model
    from mobilenets.runtimes import runtime_of
    from mobilenets.weights import load_weights

    path = Path(asked.model)
    if path.is_dir():
        return load_model(finished(path))
    if path.is_file():
        if (runtime := runtime_of(path)) != "torch":
            raise UsageError(
                f"{path} is a file for {runtime}, from which no network is made again; "
                "give the run or the .safetensors file that it came from"
            )
        return load_model(path)
    arch = _named(asked)
    torch.manual_seed(0)
    network = build(arch).eval()
    if asked.weights in (None, "none"):
        return network, blank_card(arch)
    origin = load_weights(network, str(asked.weights))
    if origin.new_head:
        raise WeightsError(
            f"{asked.weights} has other classes than {asked.model}'s {arch.head.classes}; "
            "train or fit it on your images"
        )
    labels = origin.labels or blank_card(arch).labels
    record = origin.preprocess or blank_card(arch).preprocess
    return network, Card(arch.head.task, arch, labels, record, weights=origin.description)


def arch_for(asked: Asked) -> Arch:
    """The network of a model, without its weights. Raises UnknownName, UsageError, RunError, WeightsError,
    ExportError.
    """
    from mobilenets.runtimes import read_card

    path = Path(asked.model)
    if path.is_dir() and not find_run(path).weights.exists():
        return codec.decode(read_json(find_run(path).arch))
    if path.is_dir() or path.is_file():
        card = read_card(find_run(path).weights if path.is_dir() else path)
        if card is None:
            raise UsageError(f"{path} does not tell what network it holds; only files of ours do")
        return card.arch
    return _named(asked)


def _named(asked: Asked) -> Arch:
    """The network of a name. Raises as `arch.heads.called`."""
    from mobilenets.arch.heads import called

    return called(asked.model, asked.width, asked.resolution, asked.dialect)


def blank_card(arch: Arch) -> Card:
    """The card of a network that was not trained: numbered classes, the usual preprocessing of its task."""
    side, task = arch.resolution, arch.head.task
    labels = numbered(arch.head.classes)
    if task in ("detect", "segment"):
        return Card(task, arch, labels, Preprocess(side, side, fit="stretch"))
    return Card(task, arch, labels, Preprocess(crop=side, resize=round(side * 256 / 224)))


def cached_export(asked: Asked, runtime: str) -> Path:
    """An exported file in the cache, made at the first call. Raises as `network_for` and `export` do."""
    network, card = network_for(asked)
    return exported_once(network, card, runtime, _identity(asked))


def exported_once(
    network: "Network", card: Card, runtime: str, identity: str, form: str | None = None
) -> Path:
    """The file of a network in the cache; `identity` says which weights it has. Raises ExportError."""
    from mobilenets.exporters import export, form_of, revision

    form, versions = form_of(card, runtime, form), repr((environment()["packages"], revision()))
    key = hashlib.sha256("\n".join((codec.dumps(card.arch), identity, form, versions)).encode())
    path = cache_folder() / "exports" / key.hexdigest()[:24] / f"model{SUFFIX[runtime]}"
    if not path.exists():
        export(network, card, path, runtime, sample_pixels(card.preprocess), form=form or None)
    return path


def sample_pixels(record: Preprocess, paths: list[Path] | None = None) -> "np.ndarray":
    """Real images as raw pixels uint8 (N, H, W, 3): some of `paths` that can be read, else of the embedded
    data set. Raises StorageError when that cannot be made.
    """
    import numpy as np

    from mobilenets.data.preprocess import read_pixels
    from mobilenets.data.signs import signs

    def read(path: Path) -> "np.ndarray | None":
        """One of them."""
        with suppress(DataError):
            return read_pixels(record, path).permute(1, 2, 0).numpy()
        return None

    def some(found: list[Path]) -> "list[np.ndarray]":
        """Of these, from all over the list."""
        places = np.linspace(0, len(found) - 1, min(SAMPLES, len(found))).astype(int)
        return [image for image in (read(found[place]) for place in places) if image is not None]

    return np.stack(some(paths or []) or some(sorted(signs().rglob("*.jpg"))))


def _identity(asked: Asked) -> str:
    """Which weights a model has, for the cache."""
    from mobilenets.weights.load import within

    path = Path(asked.model)
    if path.is_dir():
        return sha256(find_run(path).weights)
    if path.is_file():
        return sha256(path)
    given = asked.weights or "none"
    weights = within(Path(given))
    return sha256(weights) if weights.is_file() else given
