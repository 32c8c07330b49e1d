"""Weights from anywhere into one of our networks, or one line that says what does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.arch import card as cards
from mobilenets.arch.lower import lower
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, SSDLite
from mobilenets.base.errors import ArchError, UnknownName, WeightsError
from mobilenets.base.files import sha256
from mobilenets.base.run import Run
from mobilenets.weights import misfit, ordered
from mobilenets.weights.download import fetch
from mobilenets.weights.files import SUFFIXES, read_weights
from mobilenets.weights.keys import Naming, module_names, naming_of
from mobilenets.weights.ordered import HALF, Ordered
from mobilenets.weights.registry import IMAGENET, PUBLISHED, Published, belongs, fitted, published_for
from mobilenets.weights.tasks import plainly_named

if TYPE_CHECKING:
    from torch import Tensor

    from mobilenets.nn import Network

CLASSIFIER = "head.classifier"
ANSWERS = ("classifier", "predict")  # how the operations end that give a head's answer
BACKGROUND = "background"


@dataclass(frozen=True)
class Origin:
    """Where a network's weights are from, and what that says about images and classes.

    `labels` name the classes where they are known and the classifier came along; `new_head` says that it
    did not, for it has other classes. `top1` is what was published for the weights, in per cent.
    """

    description: str
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None
    new_head: bool
    top1: float | None


def load_weights(network: "Network", source: str | Path) -> Origin:
    """Put weights into `network`, in place, and say where they are from.

    `source` is "imagenet" (the best published for this network, downloaded once), a name of PUBLISHED, a
    run folder, a .pth, .pt or .safetensors file with our, torchvision's or timm's names, a weights file of
    Keras applications (.h5, .weights.h5, .keras) or a TFLite file, whose numbers are made real. Where the
    class count differs, the classifier keeps its fresh numbers.
    Raises WeightsError naming what does not fit, UnknownName, and MissingPackage where reading the file takes
    an extra; `network` is then as before.
    """
    named, given = _named(network.arch, str(source)), within(Path(source))
    entry = named or published_file(given)
    if entry and not belongs(entry, network.arch):
        raise WeightsError(misfit.published_elsewhere(entry, network.arch))
    path = fetch(named) if named else given
    held = read_weights(path)
    if isinstance(held, Ordered):
        return _in_order(network, held, path)
    held = plainly_named(held)
    naming = naming_of(held)
    if naming is None:
        raise WeightsError(misfit.strange(path, held))
    adapted = _adapted(network, held, naming, path)
    network.load_state_dict(adapted, strict=False)
    answers = {name for name in network.state_dict() if _gives_answer(name)}
    return _origin(network.arch, path, naming, entry, new_head=not answers <= adapted.keys())


def with_backbone(arch: Arch, backbone: Arch, source: str | Path) -> tuple["Network", Origin]:
    """A network of `arch`, a head on `backbone`, with weights of the classifier `backbone` below that head.

    Weights that were trained for the same task fill the head as well. The head may have taken off or narrowed
    last blocks of `backbone`: narrower ones keep the most important channels. Raises as `load_weights` does.
    """
    from mobilenets.nn import build, transplant

    network = build(arch)
    path = within(Path(source))
    state = read_weights(path) if path.is_file() else {}
    if arch.head == backbone.head or (not isinstance(state, Ordered) and _has_head(state, arch, backbone)):
        return network, load_weights(network, source)
    twin = build(backbone)
    origin = load_weights(twin, source)
    return transplant(twin, arch), replace(origin, labels=None, new_head=True)


def _has_head(state: "Mapping[str, Tensor]", arch: Arch, backbone: Arch) -> bool:
    """Whether tensors that the head of `arch` has, and that of `backbone` has not, are among these."""
    head, other = (
        {name for name, op in lower(one).named_ops() if name.startswith("head.") and op.params}
        for one in (arch, backbone)
    )
    ends = head - other
    return any(name.startswith(tuple(f"{end}." for end in ends)) for name in plainly_named(state))


def imagenet_labels() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes in order, as torchvision publishes them."""
    from torchvision.models import MobileNet_V2_Weights

    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def labels_of(classes: int) -> tuple[str, ...] | None:
    """ImageNet's names for 1000 classes, for 1001 (slim, TFLite) behind the background; else None."""
    match classes:
        case 1000:
            return imagenet_labels()
        case 1001:
            return (BACKGROUND, *imagenet_labels())
        case _:
            return None


def _labels(arch: Arch) -> tuple[str, ...] | None:
    """The names of the classes of published weights, by task and number of classes; None for others."""
    from torchvision.models import detection, segmentation

    match arch.head.task, arch.head.classes:
        case "detect", 90:
            known = detection.SSDLite320_MobileNet_V3_Large_Weights.COCO_V1.meta["categories"]
            return tuple(known[1:])  # the first is the background
        case "segment", 21:
            return tuple(
                segmentation.LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"]
            )
        case "classify", classes:
            return labels_of(classes)
        case _:
            return None


def _in_order(network: "Network", found: Ordered, path: Path) -> Origin:
    """Load layers that are told by their order. Raises WeightsError."""
    arch = network.arch
    if reason := misfit.other_layers(arch, found):
        raise WeightsError(f"{path} {reason}")
    state = ordered.state_of(arch, found)
    # slim and its TFLite files have the background before ImageNet's classes
    surplus = 1 if (found.classes, arch.head.classes) == (1001, IMAGENET) else 0
    new_head = found.classes - surplus != arch.head.classes
    for name in (f"{CLASSIFIER}.weight", f"{CLASSIFIER}.bias"):
        classifier = state.pop(name)
        if not new_head:
            state[name] = classifier[surplus:]
    network.load_state_dict(state, strict=False)
    labels = None if new_head else labels_of(arch.head.classes)
    return Origin(path.name, fitted(found.preprocess, arch.resolution), labels, new_head, None)


def _named(arch: Arch, source: str) -> Published | None:
    """The published weights that `source` names; None when it is a file."""
    if source == "imagenet":
        best = published_for(arch) or published_for(arch, anywhere=True)
        if best is None:
            raise WeightsError(f"there are no published ImageNet weights of {misfit.described(arch)}")
        return best
    if source in PUBLISHED:
        return PUBLISHED[source]
    if not Path(source).exists() and not source.endswith(SUFFIXES):
        raise UnknownName("file or published weights", source, ("imagenet", *PUBLISHED))
    return None


def within(path: Path) -> Path:
    """The weights of a run where `path` is its folder, else `path`."""
    return Run(path).weights if path.is_dir() and Run(path).weights.is_file() else path


def published_file(path: Path) -> Published | None:
    """The published weights that a file is, by its name and hash."""
    for entry in PUBLISHED.values():
        digits = entry.sha256 or ""
        if digits and path.name == entry.file and path.is_file() and sha256(path).startswith(digits):
            return entry
    return None


def _adapted(
    network: "Network", state: dict[str, "Tensor"], naming: Naming, path: Path
) -> dict[str, "Tensor"]:
    """The tensors of `state` under our names and in our shapes. Raises WeightsError.

    The classifier is left out where its class count differs.
    """
    reason = misfit.other_network(network.arch, state, naming)
    if not reason and naming == "ours":
        reason = misfit.other_dialect(network.arch, own_card(path))
    if reason:
        raise WeightsError(f"{path} {reason}")
    modules = module_names(network.arch, naming, state)
    ours = network.state_dict()
    theirs = {name: f"{modules[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}" for name in ours}
    wanted = {name: tensor for name, tensor in ours.items() if not _optional(name, theirs, state, tensor)}
    if reason := misfit.other_tensors(network.arch, {theirs[name]: ours[name] for name in wanted}, state):
        raise WeightsError(f"{path} {reason}")
    # a hidden layer or gate is a 1x1 convolution here and a linear layer there: the same numbers in a row
    return {name: state[theirs[name]].reshape(tensor.shape) for name, tensor in wanted.items()}


def _optional(name: str, theirs: dict[str, str], state: dict[str, "Tensor"], tensor: "Tensor") -> bool:
    """Whether a tensor of ours stays as it is: the counter of old files, what answers with other classes."""
    found = state.get(theirs[name])
    if name.endswith("num_batches_tracked"):
        return found is None
    return _gives_answer(name) and (found is None or found.shape[:1] != tensor.shape[:1])


def _gives_answer(name: str) -> bool:
    """Whether a tensor belongs to an operation that ends in classes or boxes."""
    return name.startswith("head.") and name.rpartition(".")[0].endswith(ANSWERS)


def _origin(arch: Arch, path: Path, naming: Naming, entry: Published | None, *, new_head: bool) -> Origin:
    """What is known of the weights, for the resolution of `arch`."""
    if naming == "ours":
        return _own(arch, path, new_head=new_head)
    labels = None if new_head else _labels(arch)
    if entry:
        record = fitted(entry.preprocess, arch.resolution)
        return Origin(entry.name, record, labels, new_head, entry.top1)
    return Origin(path.name, fitted(_usual(arch, naming), arch.resolution), labels, new_head, None)


def _usual(arch: Arch, naming: Naming) -> Preprocess:
    """How torchvision or timm prepare images for a network, where its weights do not say."""
    if isinstance(arch.head, SSDLite):
        return Preprocess(320, 320, "bilinear", HALF, HALF, "stretch")
    if arch.head.task == "segment":
        return Preprocess(520, 520, fit="stretch")
    if naming == "torchvision":
        return Preprocess(crop=224, resize=256)
    if (entry := published_for(arch)) and entry.name.startswith("timm/"):
        return entry.preprocess
    if arch.dialect.padding == "same":  # TensorFlow's
        return Preprocess(224, 256, "bilinear", HALF, HALF)
    if arch.name == "mobilenet_v1":
        return Preprocess(224, 256, "bicubic", HALF, HALF)
    return Preprocess(224, 256, "bicubic")


def _own(arch: Arch, path: Path, *, new_head: bool) -> Origin:
    """What the card in a file of ours says, where there is one."""
    card = own_card(path)
    if card is None:
        return Origin(path.name, None, None, new_head, None)
    labels = None if new_head else card.labels
    return Origin(path.name, fitted(card.preprocess, arch.resolution), labels, new_head, None)


def own_card(path: Path) -> cards.Card | None:
    """The card in a weights file of ours; None in any other file. Raises WeightsError when it is broken."""
    from mobilenets.nn import read_safetensors

    text = read_safetensors(path)[1].get(cards.KEY) if path.suffix == ".safetensors" else None
    if text is None:
        return None
    try:
        return cards.loads(text)
    except ArchError as error:
        raise WeightsError(f"{path} has a broken card ({error}); make it again") from error
