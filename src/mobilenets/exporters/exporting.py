"""`export`: write a draft, run it in its own runtime on real images, then let it take its place."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np

from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, RunError, UnknownName, UsageError
from mobilenets.base.files import replacing
from mobilenets.exporters.found import compare_found
from mobilenets.exporters.outputs import form_of
from mobilenets.exporters.parity import Parity, compare
from mobilenets.nn import Network
from mobilenets.runtimes import RUNTIMES, Target, runtime_of
from mobilenets.runtimes.open import open_as
from mobilenets.tasks.detect import RULES

EXPORTERS: Mapping[str, str] = MappingProxyType(
    {
        "litert": "mobilenets.exporters.litert",
        "onnx": "mobilenets.exporters.onnx",
        "torch": "mobilenets.exporters.torch",
    }
)  # each has write(network, card, path), stamp(path, card), and add_nms where `outputs.FORMS` has "nms"


@dataclass(frozen=True)
class Exported:
    """A file, the card it carries, and how near its answers come to the network's."""

    path: Path
    card: Card
    parity: Parity


def export(
    network: Network,
    card: Card,
    path: Path,
    to: str,
    samples: np.ndarray,
    form: str | None = None,
) -> Exported:
    """Write `network` with its card as a file for the runtime `to`, verified on real images.

    `samples` are raw pixels uint8 (N, H, W, 3). The file takes raw pixels (1, H, W, 3) float32 from 0 to 255.
    `form` says what it gives, where the task leaves a choice (`arch.card.FORMS`, docs/files.md); if not
    given, the form that asks least of whoever reads the file. `network` is left as it is.
    Raises UnknownName, UsageError, MissingPackage, ExportError when the conversion fails, ParityError when
    the file answers otherwise than the network, StorageError; in every case `path` keeps what it held.
    """
    path = Path(path)
    exporter = _exporter(to)
    if path.suffix.lower() != RUNTIMES[to]:
        raise UsageError(f"a file for {to} ends in {RUNTIMES[to]}, got {path}")
    if network.arch != card.arch:
        raise ExportError(f"the card describes another network than the one to write to {path}")
    if len(samples) == 0:
        raise UsageError("an export is verified on images; give at least one")
    card = replace(card, outputs=form_of(card, to, form))
    network = copy.deepcopy(network).cpu().eval()
    raw = replace(card, outputs="plain") if card.outputs == "nms" else card
    target = Target(to)
    with replacing(path) as draft:
        exporter.write(network, raw, draft)
        session = open_as(draft, target)
        parity = compare(network, raw, session, samples, path)
        if raw != card:
            rules = RULES["file"]
            exporter.add_nms(draft, card, rules)
            plain, session = session, open_as(draft, target)
            compare_found(plain, session, card, rules, samples, path)
        if session.card != card:
            raise ExportError(f"the card written to {path} reads back differently; please report this")
    return Exported(path, card, parity)


def write_card(path: Path, card: Card) -> None:
    """Put `card` into an exported file in place of the one it carries, in one step.

    Raises RunError when there is no such file, UsageError for another suffix, ExportError or WeightsError
    when the file is broken, StorageError.
    """
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path} does not exist; give an exported file")
    exporter = _exporter(runtime_of(path))
    with replacing(path) as draft:
        draft.write_bytes(path.read_bytes())
        exporter.stamp(draft, card)


def _exporter(to: str) -> ModuleType:
    """The module of a format. Raises UnknownName, MissingPackage."""
    if to not in EXPORTERS:
        raise UnknownName("export format", to, EXPORTERS)
    return import_module(EXPORTERS[to])
