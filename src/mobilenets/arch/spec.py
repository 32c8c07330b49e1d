"""What a network is: frozen records of settled numbers, which compare, hash and never change.

Width multipliers and rounding rules belong to `arch.zoo`; here every channel count is final. What a block is
made of is said in `arch.lower` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import ClassVar, Literal, get_args

from mobilenets.arch.checks import count, geometry, norm, odd, one_of, positive, shapes, taps
from mobilenets.base.errors import ArchError, UnknownName, shown

Activation = Literal["none", "relu", "relu6", "hardswish", "gelu"]
Gate = Literal["hardsigmoid", "sigmoid"]
Antialias = Literal["none", "average", "blur"]
Shift = Literal["bias", "norm", "none"]
Padding = Literal["symmetric", "same"]
HiddenKind = Literal["linear", "conv"]
Task = Literal["classify", "detect", "segment", "embed"]
Scoring = Literal["sigmoid", "softmax"]
Sizes = tuple[tuple[float, float], ...]
TASKS: tuple[Task, ...] = get_args(Task)


def check_task(task: str) -> None:
    """Raise UnknownName unless the task is one we have."""
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)


@dataclass(frozen=True)
class Dialect:
    """How one framework reads the same paper: the differences that change numbers.

    `padding` is "symmetric" ((k-1)/2 on every side) or TensorFlow's "same" (surplus at bottom and right);
    `hidden` says whether the layer before the classifier is a linear layer or a 1x1 convolution.
    """

    name: str
    norm_eps: float
    norm_momentum: float
    padding: Padding = "symmetric"
    hidden: HiddenKind = "linear"

    def __post_init__(self) -> None:
        """Refuse values no network can be built from."""
        norm(self.norm_eps, self.norm_momentum)
        one_of("padding", self.padding, get_args(Padding))
        one_of("hidden", self.hidden, get_args(HiddenKind))


@dataclass(frozen=True)
class Conv:
    """A convolution with batch norm and activation: stem (3x3, stride 2) and last layer (1x1)."""

    kernel: int
    out: int
    stride: int = 1
    activation: Activation = "relu6"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, self.stride, out=self.out)
        one_of("activation", self.activation, get_args(Activation))


@dataclass(frozen=True)
class Separable:
    """MobileNetV1's block: depthwise, then 1x1, each with batch norm and activation (V1, table 1).

    `dilation` is as in Inverted.
    """

    kernel: int
    out: int
    stride: int = 1
    activation: Activation = "relu6"
    dilation: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, self.stride, out=self.out)
        one_of("activation", self.activation, get_args(Activation))
        positive(dilation=self.dilation)


@dataclass(frozen=True)
class Inverted:
    """The inverted residual: expand 1x1, depthwise, optional squeeze-and-excitation, linear projection 1x1.

    `hidden` counts the channels after expansion, `squeeze` those inside squeeze-and-excitation (0: none),
    which has `squeeze_activation` between its layers and `gate` after them: hard-sigmoid in V3, sigmoid in
    MnasNet. With `expand=False` the first 1x1 is absent and `hidden` equals the input. The block adds its
    input where stride is 1 and the channels agree, unless `residual` forbids it (V2, table 1; V3, figure 4).
    `dilation` spreads the depthwise kernel, where a backbone keeps a larger map than its strides would leave.
    """

    kernel: int
    hidden: int
    out: int
    stride: int = 1
    activation: Activation = "relu6"
    squeeze: int = 0
    expand: bool = True
    gate: Gate = "hardsigmoid"
    squeeze_activation: Activation = "relu"
    residual: bool = True
    dilation: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, self.stride, out=self.out, hidden=self.hidden)
        one_of("activation", self.activation, get_args(Activation))
        count(squeeze=self.squeeze)
        one_of("gate", self.gate, get_args(Gate))
        one_of("squeeze_activation", self.squeeze_activation, get_args(Activation))
        positive(dilation=self.dilation)


@dataclass(frozen=True)
class Fused:
    """The fused inverted bottleneck: a full convolution expands and strides, a linear 1x1 projects (V4).

    `groups` split the expansion; they divide the input and `hidden`. `antialias` lets a strided convolution
    run at stride 1 and halves its activated output by averaging or by a blur (timm's aa and blur variants).
    `dilation` is as in Inverted.
    """

    kernel: int
    hidden: int
    out: int
    stride: int = 1
    activation: Activation = "relu"
    groups: int = 1
    residual: bool = True
    antialias: Antialias = "none"
    dilation: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, self.stride, out=self.out, hidden=self.hidden)
        one_of("activation", self.activation, get_args(Activation))
        positive(groups=self.groups, dilation=self.dilation)
        one_of("antialias", self.antialias, get_args(Antialias))
        if self.hidden % self.groups:
            raise ArchError(f"hidden must be a multiple of groups, got {self.hidden} and {self.groups}")


@dataclass(frozen=True)
class Universal:
    """V4's universal inverted bottleneck: two optional depthwise layers around the expansion (V4, figure 4).

    `start` is the kernel of the linear depthwise layer before the expansion, `kernel` that of the activated
    one after it; 0 leaves a layer out. Both: ExtraDW; `kernel` alone: the inverted bottleneck; `start` alone:
    ConvNext-like; neither: a feed-forward block. The last depthwise layer strides. `gain` scales every
    channel of the output by a learned factor that begins at 1e-5 (the hybrid networks); `antialias` as in
    Fused, `dilation` and `residual` as in Inverted.
    """

    start: int
    kernel: int
    hidden: int
    out: int
    stride: int = 1
    activation: Activation = "relu"
    gain: bool = False
    antialias: Antialias = "none"
    dilation: int = 1
    residual: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, kernel in (("start", self.start), ("kernel", self.kernel)):
            if type(kernel) is not int or kernel != 0:
                odd(name, kernel)
        geometry(1, self.stride, out=self.out, hidden=self.hidden)
        one_of("activation", self.activation, get_args(Activation))
        one_of("antialias", self.antialias, get_args(Antialias))
        positive(dilation=self.dilation)
        if self.stride > 1 and not self.start and not self.kernel:
            raise ArchError(f"stride must be 1 where no depthwise layer can stride, got {self.stride}")


@dataclass(frozen=True)
class Attention:
    """V4's Mobile MQA: batch norm, multi-query attention over all pixels, learned gain, residual.

    `heads` queries of `key` channels share one key and one value of `value` channels. With `shrink` 2, a
    depthwise convolution of `kernel` halves the map that keys and values are made of. `residual` as in
    Inverted.
    """

    out: int
    heads: int
    key: int
    value: int
    shrink: int = 1
    kernel: int = 3
    gain: bool = True
    residual: bool = True
    stride: ClassVar[int] = 1
    activation: ClassVar[Activation] = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, 1, out=self.out, heads=self.heads, key=self.key, value=self.value)
        if type(self.shrink) is not int or self.shrink not in (1, 2):
            raise ArchError(f"shrink must be 1 or 2, got {shown(self.shrink)}")


Block = Conv | Separable | Inverted | Fused | Universal | Attention


@dataclass(frozen=True)
class Classifier:
    """Global average pool, an optional hidden layer, dropout, linear classifier.

    `shift` is what follows the hidden layer's weights: a bias and no norm (V3), a batch norm and no bias,
    which makes it a 1x1 convolution in every dialect (V4), or nothing.
    """

    classes: int
    hidden: int = 0
    activation: Activation = "hardswish"
    dropout: float = 0.2
    shift: Shift = "bias"
    task: ClassVar[Task] = "classify"
    taps: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(classes=self.classes)
        count(hidden=self.hidden)
        if not 0 <= self.dropout < 1:
            raise ArchError(f"dropout must be at least 0 and below 1, got {shown(self.dropout)}")
        one_of("activation", self.activation, get_args(Activation))
        one_of("shift", self.shift, get_args(Shift))


@dataclass(frozen=True)
class SSDLite:
    """Boxes and classes from several maps, by separable convolutions (V2, section 6.2; V3, section 6.3).

    `taps` names the operations of the backbone that are read, finest map first: `blocks.13.expand`, or
    `blocks.18` for the output of a block; the last is that of the last block. `extras` are the channels of
    the maps behind them, each half as large. `anchors` has for every map the widths and heights of the boxes
    at each of its pixels, as shares of the image's side. "softmax" counts background as a class of its own,
    which comes first (torchvision); "sigmoid" scores every class alone (TensorFlow object detection).
    """

    classes: int
    taps: tuple[str, ...]
    extras: tuple[int, ...]
    anchors: tuple[Sizes, ...]
    scoring: Scoring = "sigmoid"
    norm_eps: float = 1e-3
    norm_momentum: float = 0.03
    task: ClassVar[Task] = "detect"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(classes=self.classes)
        taps(self.taps)
        for index, channels in enumerate(self.extras):
            positive(**{f"extras[{index}]": channels})
            if channels == 1:
                raise ArchError(f"extras[{index}] must be at least 2, got 1")
        shapes(self.anchors, maps=len(self.taps) + len(self.extras))
        one_of("scoring", self.scoring, get_args(Scoring))
        norm(self.norm_eps, self.norm_momentum)


@dataclass(frozen=True)
class LRASPP:
    """Classes of pixels: a gated 1x1 convolution, enlarged, plus a finer map (V3, section 6.4, figure 10).

    `taps` names the finer operation and the last block. `channels` are those of the convolution and its gate.
    The gate is of the whole image's mean, as in torchvision; the paper's is of windows of 49x49 pixels.
    """

    classes: int
    taps: tuple[str, ...]
    channels: int = 128
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    task: ClassVar[Task] = "segment"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(classes=self.classes, channels=self.channels)
        taps(self.taps, count=2)
        norm(self.norm_eps, self.norm_momentum)


@dataclass(frozen=True)
class DeepLab:
    """Classes of pixels: a 1x1 convolution, 3x3 ones spread by `rates`, and the image's mean, side by side.

    They are projected to `channels`; `refine` adds a 3x3 convolution before the classifier (DeepLabv3, arXiv
    1706.05587, section 3.3; torchvision/models/segmentation/deeplabv3.py). Without rates and refining it
    is the R-ASPP of V3, section 6.4, and of V2, section 6.3. `taps` names the last block.
    """

    classes: int
    taps: tuple[str, ...]
    channels: int = 256
    rates: tuple[int, ...] = ()
    refine: bool = False
    dropout: float = 0.0
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    task: ClassVar[Task] = "segment"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(classes=self.classes, channels=self.channels)
        positive(**{f"rates[{index}]": rate for index, rate in enumerate(self.rates)})
        taps(self.taps, count=1)
        norm(self.norm_eps, self.norm_momentum)
        if not 0 <= self.dropout < 1:
            raise ArchError(f"dropout must be at least 0 and below 1, got {shown(self.dropout)}")


@dataclass(frozen=True)
class Embedder:
    """A vector of length 1 for the whole image: global average pool, dropout, linear layer to `size`."""

    size: int
    dropout: float = 0.0
    classes: ClassVar[int] = 0
    task: ClassVar[Task] = "embed"
    taps: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(size=self.size)
        if not 0 <= self.dropout < 1:
            raise ArchError(f"dropout must be at least 0 and below 1, got {shown(self.dropout)}")


Head = Classifier | SSDLite | LRASPP | DeepLab | Embedder
HEADS: tuple[type[Head], ...] = get_args(Head)


@dataclass(frozen=True)
class Arch:
    """A whole network. `resolution` is the input side in pixels; `blocks` begin with the stem.

    `print(arch)` shows the paper's table.
    """

    name: str
    resolution: int
    blocks: tuple[Block, ...]
    head: Head
    dialect: Dialect

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(resolution=self.resolution)
        if not self.blocks:
            raise ArchError(f"{self.name}: a network needs at least one block")
        channels = 3
        for index, block in enumerate(self.blocks):
            if isinstance(block, Inverted) and not block.expand and block.hidden != channels:
                raise ArchError(
                    f"blocks[{index}].hidden must be {channels} (the input) where expand is false, "
                    f"got {block.hidden}"
                )
            if isinstance(block, Fused) and channels % block.groups:
                raise ArchError(
                    f"blocks[{index}].groups must divide {channels} (the input), got {block.groups}"
                )
            channels = block.out
        for tap in self.head.taps:
            self._check_tap(tap)
        if self.head.taps and self.head.taps[-1] != f"blocks.{len(self.blocks) - 1}":
            raise ArchError(
                f"head.taps must end in the last block, blocks.{len(self.blocks) - 1}, "
                f"got {shown(self.head.taps[-1])}"
            )

    @property
    def classifier(self) -> Classifier:
        """The head, where it classifies whole images. Raises ArchError where it does not."""
        if not isinstance(self.head, Classifier):
            raise ArchError(f"{self.name} has a head to {self.head.task}, none to classify")
        return self.head

    def _check_tap(self, tap: str) -> None:
        """Refuse the name of an operation that no block has."""
        _, index, *part = tap.split(".")
        block = self.blocks[int(index)] if int(index) < len(self.blocks) else None
        wide = isinstance(block, Universal) or (isinstance(block, Inverted) and block.expand)
        known = {"": block is not None, "expand": wide, "depthwise": isinstance(block, Inverted | Separable)}
        if not known["".join(part)]:
            raise ArchError(f"head.taps names {tap}, which this network does not have")

    def __str__(self) -> str:
        """The table of the paper: one row per block, with its input side and channels."""
        from mobilenets.arch.show import paper_table

        return paper_table(self)


KINDS: Mapping[str, type[Block] | type[Head]] = MappingProxyType(
    {
        "conv": Conv,
        "separable": Separable,
        "inverted": Inverted,
        "fused": Fused,
        "universal": Universal,
        "attention": Attention,
        "classifier": Classifier,
        "ssdlite": SSDLite,
        "lraspp": LRASPP,
        "deeplab": DeepLab,
        "embedder": Embedder,
    }
)
NAMES: Mapping[type, str] = MappingProxyType({kind: name for name, kind in KINDS.items()})


def field_names(kind: type) -> tuple[str, ...]:
    """The fields of one of the records here, in order."""
    return tuple(field.name for field in fields(kind))
