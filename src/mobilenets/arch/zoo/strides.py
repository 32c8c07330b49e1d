"""Backbones that keep a larger map: strides given up, the kernels behind them spread instead."""

from dataclasses import replace

from mobilenets.arch.spec import Arch, Attention, Block, Conv, Fused, Inverted
from mobilenets.base.errors import ArchError, UsageError

OUTPUT_STRIDES = (32, 16, 8)


def at_output_stride(arch: Arch, output_stride: int) -> Arch:
    """The network whose last map is the image divided by `output_stride`, with the same weights.

    Where a block would halve the map once more, it does not, and the depthwise kernels behind it are spread
    by a factor of two. The block itself keeps its spread in slim (mobilenet.py) and timm; in torchvision
    (mobilenetv3.py, `dilated`) it is spread like those behind it, and adds nothing.
    Raises UsageError for another stride, ArchError for blocks that cannot be spread.
    """
    if output_stride not in OUTPUT_STRIDES:
        known = ", ".join(map(str, OUTPUT_STRIDES))
        raise UsageError(f"output_stride must be one of {known}, got {output_stride}")
    blocks: list[Block] = []
    stride, dilation = 1, 1
    for index, block in enumerate(arch.blocks):
        given_up = block.stride > 1 and stride * block.stride > output_stride
        if given_up and isinstance(block, Conv):
            raise ArchError(f"{arch.name}: blocks[{index}] cannot give up its stride; use output_stride 32")
        stride *= 1 if given_up else block.stride
        before, dilation = dilation, dilation * 2 if given_up else dilation
        blocks.append(_spread(block, before if arch.dialect.name != "torchvision" else dilation, given_up))
    return replace(arch, blocks=tuple(blocks))


def _spread(block: Block, times: int, given_up: bool) -> Block:
    """The block, its depthwise kernel spread so many times as far, at stride 1 where that was given up."""
    if isinstance(block, Conv) and times > 1 and block.kernel > 1:
        raise ArchError("a plain convolution cannot be spread; use output_stride 32")
    if isinstance(block, Conv | Attention):
        return block
    spread = replace(block, stride=1 if given_up else block.stride, dilation=block.dilation * times)
    if given_up and times > 1 and isinstance(spread, Inverted | Fused):
        return replace(spread, residual=False)
    return spread
