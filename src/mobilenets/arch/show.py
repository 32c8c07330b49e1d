"""Networks as text: the paper's table, and the shapes of every operation."""

from typing import TYPE_CHECKING

from mobilenets.arch.spec import Arch, Block, Conv, Inverted, Separable
from mobilenets.base.console import table

if TYPE_CHECKING:
    from mobilenets.arch.lower import Lowered

SHORT = {"relu": "RE", "relu6": "R6", "hardswish": "HS", "none": "-"}


def paper_table(arch: Arch) -> str:
    """Input, operator, expansion, output, SE, activation, stride: the columns of V3's tables 1 and 2."""
    rows: list[tuple[object, ...]] = []
    channels, side = 3, arch.resolution
    for block in arch.blocks:
        rows.append((f"{side}x{side}x{channels}", *_columns(block)))
        channels, side = block.out, -(-side // block.stride)
    rows.append((f"{side}x{side}x{channels}", f"pool {side}x{side}", "-", "-", "-", "-", "-"))
    head = arch.head
    if head.hidden:
        layer = "linear" if arch.dialect.hidden == "linear" else "conv2d 1x1"
        rows.append((f"1x1x{channels}", f"{layer}, NBN", "-", head.hidden, "-", SHORT[head.activation], "-"))
    rows.append((f"1x1x{head.hidden or channels}", "classifier", "-", head.classes, "-", "-", "-"))
    title = f"{arch.name} @{arch.resolution}, {arch.dialect.name} dialect"
    heads = ("input", "operator", "exp", "out", "SE", "NL", "s")
    return title + "\n" + table(heads, rows, right=(2, 3, 4, 6))


def _columns(block: Block) -> tuple[object, ...]:
    """The columns after the input."""
    shared = (SHORT[block.activation], block.stride)
    match block:
        case Conv():
            return (f"conv2d {block.kernel}x{block.kernel}", "-", block.out, "-", *shared)
        case Separable():
            return (f"separable {block.kernel}x{block.kernel}", "-", block.out, "-", *shared)
        case Inverted():
            return (
                f"bneck {block.kernel}x{block.kernel}",
                block.hidden,
                block.out,
                block.squeeze or "-",
                *shared,
            )


def shape_table(lowered: "Lowered") -> str:
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
