"""What a network is: frozen records of settled numbers, which compare, hash and never change.

Width multipliers and rounding rules belong to `arch.zoo`; here every channel count is final. What a block is
made of is said in `arch.lower` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import ClassVar, Literal, get_args

from mobilenets.arch.checks import count, geometry, odd, one_of, positive
from mobilenets.base.errors import ArchError, shown

Activation = Literal["none", "relu", "relu6", "hardswish", "gelu"]
Gate = Literal["hardsigmoid", "sigmoid"]
Antialias = Literal["none", "average", "blur"]
Shift = Literal["bias", "norm", "none"]
Padding = Literal["symmetric", "same"]
HiddenKind = Literal["linear", "conv"]


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
        if not 0 < self.norm_eps < 1 or not 0 < self.norm_momentum <= 1:
            raise ArchError(
                f"norm_eps and norm_momentum must lie between 0 and 1, "
                f"got {shown(self.norm_eps)} and {shown(self.norm_momentum)}"
            )
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
    """MobileNetV1's block: depthwise, then 1x1, each with batch norm and activation (V1, table 1)."""

    kernel: int
    out: int
    stride: int = 1
    activation: Activation = "relu6"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, self.stride, out=self.out)
        one_of("activation", self.activation, get_args(Activation))


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
    """

    kernel: int
    hidden: int
    out: int
    stride: int = 1
    activation: Activation = "relu"
    groups: int = 1
    residual: bool = True
    antialias: Antialias = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        geometry(self.kernel, self.stride, out=self.out, hidden=self.hidden)
        one_of("activation", self.activation, get_args(Activation))
        positive(groups=self.groups)
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
    Fused.
    """

    start: int
    kernel: int
    hidden: int
    out: int
    stride: int = 1
    activation: Activation = "relu"
    gain: bool = False
    antialias: Antialias = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, kernel in (("start", self.start), ("kernel", self.kernel)):
            if type(kernel) is not int or kernel != 0:
                odd(name, kernel)
        geometry(1, self.stride, out=self.out, hidden=self.hidden)
        one_of("activation", self.activation, get_args(Activation))
        one_of("antialias", self.antialias, get_args(Antialias))
        if self.stride > 1 and not self.start and not self.kernel:
            raise ArchError(f"stride must be 1 where no depthwise layer can stride, got {self.stride}")


@dataclass(frozen=True)
class Attention:
    """V4's Mobile MQA: batch norm, multi-query attention over all pixels, learned gain, residual.

    `heads` queries of `key` channels share one key and one value of `value` channels. With `shrink` 2, a
    depthwise convolution of `kernel` halves the map that keys and values are made of.
    """

    out: int
    heads: int
    key: int
    value: int
    shrink: int = 1
    kernel: int = 3
    gain: bool = True
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

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        positive(classes=self.classes)
        count(hidden=self.hidden)
        if not 0 <= self.dropout < 1:
            raise ArchError(f"dropout must be at least 0 and below 1, got {shown(self.dropout)}")
        one_of("activation", self.activation, get_args(Activation))
        one_of("shift", self.shift, get_args(Shift))


Head = Classifier


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

    def __str__(self) -> str:
        """The table of the paper: one row per block, with its input side and channels."""
        from mobilenets.arch.show import paper_table

        return paper_table(self)


KINDS: Mapping[str, type[Block] | type[Classifier]] = MappingProxyType(
    {
        "conv": Conv,
        "separable": Separable,
        "inverted": Inverted,
        "fused": Fused,
        "universal": Universal,
        "attention": Attention,
        "classifier": Classifier,
    }
)
NAMES: Mapping[type, str] = MappingProxyType({kind: name for name, kind in KINDS.items()})


def field_names(kind: type) -> tuple[str, ...]:
    """The fields of one of the records here, in order."""
    return tuple(field.name for field in fields(kind))
