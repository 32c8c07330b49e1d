"""Networks as text: the paper's table, and the shapes of every operation."""

from collections.abc import Iterator, Mapping
from typing import assert_never

from mobilenets.arch.lower import Layer, Lowered, lower
from mobilenets.arch.spec import (
    Arch,
    Attention,
    Block,
    Classifier,
    Conv,
    Fused,
    Inverted,
    Separable,
    Universal,
)
from mobilenets.base.console import table

SHORT = {"relu": "RE", "relu6": "R6", "hardswish": "HS", "gelu": "GE", "none": "-"}
VARIANTS: Mapping[tuple[bool, bool], str] = {  # of V4's block, by which depthwise layers it has: figure 4
    (True, True): "extra-dw", (False, True): "inverted", (True, False): "convnext", (False, False): "ffn",
}  # fmt: skip


def paper_table(arch: Arch) -> str:
    """Input, operator, expansion, output, SE, activation, stride: the columns of V3's tables 1 and 2."""
    *layers, last = lower(arch)
    rows: list[tuple[object, ...]] = []
    for layer, block in zip(layers, arch.blocks, strict=True):
        first = layer.ops[0]
        rows.append((f"{first.side_in}x{first.side_in}x{first.cin}", *_columns(block)))
    rows += _classifier_rows(arch.head, last) if isinstance(arch.head, Classifier) else _head_rows(last)
    title = f"{arch.name} @{arch.resolution}, {arch.dialect.name} dialect"
    heads = ("input", "operator", "exp", "out", "SE", "NL", "s")
    return title + "\n" + table(heads, rows, right=(2, 3, 4, 6))


def _classifier_rows(head: Classifier, layer: Layer) -> Iterator[tuple[object, ...]]:
    """The last rows of the paper's table."""
    pool = layer.ops[0]
    side, channels = pool.side_in, pool.cin
    yield (f"{side}x{side}x{channels}", f"pool {_square(side)}", "-", "-", "-", "-", "-")
    if head.hidden:
        layer_kind = "linear" if layer.ops[1].kind == "linear" else "conv2d 1x1"
        name = layer_kind if head.shift == "norm" else f"{layer_kind}, NBN"
        yield (f"1x1x{channels}", name, "-", head.hidden, "-", SHORT[head.activation], "-")
    yield (f"1x1x{head.hidden or channels}", "classifier", "-", head.classes, "-", "-", "-")


def _head_rows(layer: Layer) -> Iterator[tuple[object, ...]]:
    """The operations of a head of another task, by their names."""
    for op in layer.ops:
        name = f"{op.name} {_square(op.kernel)}" if op.kind == "conv" else op.name
        nl = SHORT.get(op.activation, op.activation)
        yield (f"{_square(op.side_in)}x{op.cin}", name, "-", op.cout, "-", nl, op.stride)


def _columns(block: Block) -> tuple[object, ...]:
    """The columns after the input."""
    shared = (SHORT[block.activation], block.stride)
    match block:
        case Conv():
            return (f"conv2d {_square(block.kernel)}", "-", block.out, "-", *shared)
        case Separable():
            return (f"separable {_square(block.kernel)}{_rate(block)}", "-", block.out, "-", *shared)
        case Inverted():
            name = f"bneck {_square(block.kernel)}{_rate(block)}"
            return (name, block.hidden, block.out, block.squeeze or "-", *shared)
        case Fused():
            name = f"fused {_square(block.kernel)}" + (f" g{block.groups}" if block.groups > 1 else "")
            name += _rate(block)
            return (name, block.hidden, block.out, "-", *shared)
        case Universal():
            kernels = ",".join(_square(kernel) for kernel in (block.start, block.kernel) if kernel)
            name = f"uib {VARIANTS[block.start > 0, block.kernel > 0]} {kernels}".rstrip() + _rate(block)
            return (name, block.hidden, block.out, "-", *shared)
        case Attention():
            name = f"mqa {block.heads}x{block.key}" + (" kv/2" if block.shrink > 1 else "")
            return (name, "-", block.out, "-", *shared)
        case _:
            assert_never(block)


def _rate(block: Separable | Inverted | Fused | Universal) -> str:
    """How far the kernel is spread, where it is."""
    return f" d{block.dilation}" if block.dilation > 1 else ""


def _square(kernel: int) -> str:
    """A kernel as the papers write it, e.g. 3x3."""
    return f"{kernel}x{kernel}"


def shape_table(lowered: Lowered) -> str:
    """One row per operation: its name, kind, shapes, parameters and MACs."""
    rows = [
        (
            name,
            f"{op.kind} {op.kernel}x{op.kernel}/{op.stride}" if op.kind == "conv" else op.kind,
            f"{op.cin}x{op.side_in}x{op.side_in}",
            f"{op.cout}x{op.side_out}x{op.side_out}",
            f"{op.params:,}",
            f"{op.macs:,}",
        )
        for name, op in lowered.named_ops()
    ]
    return table(("operation", "kind", "in", "out", "params", "MACs"), rows, right=(2, 3, 4, 5))
