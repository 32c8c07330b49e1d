"""Editing: narrowing keeps residuals, ties and the share of squeeze-and-excitation, and refuses the rest."""

from dataclasses import replace

import pytest
from arch_strategies import archs
from hypothesis import given
from hypothesis import strategies as st

from mobilenets.arch import Attention, Conv, Fused, Inverted, Universal, codec, cost, edit, lower, zoo
from mobilenets.base.errors import ArchError

V2 = zoo.find("mobilenet_v2")
V3 = zoo.find("mobilenet_v3_small")


def residuals(arch):
    return {index for index, layer in enumerate(lower(arch)) if layer.residual}


def test_swap_changes_one_block_and_not_the_original():
    block = Inverted(5, 96, 24, stride=2)
    changed = edit.swap(V2, 2, block)
    assert changed.blocks[2] == block
    assert [
        i for i, pair in enumerate(zip(V2.blocks, changed.blocks, strict=True)) if pair[0] != pair[1]
    ] == [2]
    assert zoo.find("mobilenet_v2") == V2


def test_swap_refuses_what_no_longer_fits():
    with pytest.raises(ArchError, match=r"blocks\[1\]\.hidden must be 8 \(the input\) where expand is false"):
        edit.swap(V2, 0, Conv(3, 8, stride=2))


@pytest.mark.parametrize(("index", "ties"), [(7, (7, 8, 9, 10)), (10, (7, 8, 9, 10)), (0, (0,)), (17, (17,))])
def test_blocks_tied_by_residuals(index, ties):
    assert edit.tied(V2, index) == ties


@pytest.mark.parametrize("index", [7, 8, 10])
def test_a_narrower_output_narrows_all_that_share_it(index):
    narrowed = edit.narrow(V2, index, out=56)
    assert [narrowed.blocks[i].out for i in (7, 8, 9, 10)] == [56] * 4
    assert residuals(narrowed) == residuals(V2)
    assert [i for i, block in enumerate(narrowed.blocks) if block != V2.blocks[i]] == [7, 8, 9, 10]
    assert cost(narrowed).macs < cost(V2).macs


def test_a_narrower_stem_narrows_the_following_block_without_expansion():
    narrowed = edit.narrow(V3, 0, out=8)
    assert (narrowed.blocks[0].out, narrowed.blocks[1].hidden) == (8, 8)
    assert (V3.blocks[1].squeeze, narrowed.blocks[1].squeeze) == (8, 8)  # a multiple of 8, as in V3


def test_squeeze_keeps_its_share_of_the_hidden_channels():
    block = V3.blocks[5]
    narrowed = edit.narrow(V3, 5, hidden=120).blocks[5]
    assert (block.hidden, block.squeeze) == (240, 64)
    assert (narrowed.hidden, narrowed.squeeze, narrowed.out) == (120, 32, block.out)
    assert edit.narrow(V3, 5, hidden=1).blocks[5].squeeze == 8
    odd = edit.swap(V3, 5, replace(block, squeeze=60))  # not rounded before, not rounded now
    assert edit.narrow(odd, 5, hidden=100).blocks[5].squeeze == 25
    assert edit.narrow(odd, 5, hidden=1).blocks[5].squeeze == 1


def test_hidden_and_output_at_once():
    narrowed = edit.narrow(V2, 2, hidden=48, out=16)
    assert (narrowed.blocks[2].hidden, narrowed.blocks[2].out, narrowed.blocks[3].out) == (48, 16, 16)


@pytest.mark.parametrize(
    ("index", "asked", "message"),
    [
        (2, {"hidden": 96}, r"blocks\[2\]\.hidden is 96; 96 is not from 1 to 95"),
        (2, {"hidden": 0}, r"blocks\[2\]\.hidden is 96; 0 is not"),
        (2, {"hidden": 8.5}, r"hidden must be an integer"),
        (2, {"out": 25}, r"blocks\[2\]\.out is 24; 25 is not from 1 to 23"),
        (2, {"out": -8}, r"blocks\[2\]\.out is 24; -8 is not"),
        (1, {"hidden": 8}, r"blocks\[1\] has no expansion to narrow; narrow its output instead"),
        (0, {"hidden": 8}, r"blocks\[0\] has no expansion to narrow"),
        (19, {"out": 8}, r"mobilenet_v2 has blocks 0 to 18, no blocks\[19\]"),
        (-1, {"out": 8}, r"no blocks\[-1\]"),
    ],
)
def test_what_cannot_be_narrowed(index, asked, message):
    with pytest.raises(ArchError, match=message):
        edit.narrow(V2, index, **asked)


@given(st.data())
def test_narrowing_any_network_keeps_its_residuals_and_costs_less(data):
    arch = data.draw(archs())
    index = data.draw(st.integers(0, len(arch.blocks) - 1))
    present = arch.blocks[index].out
    first = edit.tied(arch, index)[0]
    if present == 1 or lower(arch)[first].residual:
        with pytest.raises(
            ArchError, match=rf"blocks\[{index}\]\.out is (1; 0 is not|added to the image itself)"
        ):
            edit.narrow(arch, index, out=present - 1)
        return
    out = data.draw(st.integers(1, present - 1))
    fed = [arch.blocks[i + 1] for i in edit.tied(arch, index) if i + 1 < len(arch.blocks)]
    if any(isinstance(block, Fused) and out % block.groups for block in fed):
        with pytest.raises(ArchError, match=r"groups must divide \d+ \(the input\), got [23]$"):
            edit.narrow(arch, index, out=out)
        return
    narrowed = edit.narrow(arch, index, out=out)
    assert residuals(arch) == residuals(narrowed)
    assert cost(narrowed).params < cost(arch).params
    assert cost(narrowed).macs < cost(arch).macs


@pytest.mark.parametrize(
    "block",
    [Inverted(3, 16, 12), Fused(3, 16, 12), Universal(3, 3, 16, 12), Attention(12, heads=1, key=4, value=4)],
)
def test_narrowing_makes_no_residual(block):
    """The output comes to have the channels of the input; adding them would be another function."""
    arch = replace(V2, blocks=(Conv(3, 8, 2), block))
    narrowed = edit.narrow(arch, 1, out=8)
    assert narrowed.blocks[1] == replace(narrowed.blocks[1], out=8, residual=False)
    assert residuals(edit.swap(narrowed, 1, replace(narrowed.blocks[1], residual=True))) == {1}
    assert residuals(narrowed) == set()
    assert codec.loads(codec.dumps(narrowed)) == narrowed


def test_what_is_added_to_the_image_cannot_be_narrowed():
    arch = replace(V2, blocks=(Inverted(3, 8, 3), Inverted(3, 8, 3), Conv(3, 8)))
    for index in (0, 1):
        with pytest.raises(ArchError, match=rf"blocks\[{index}\]\.out is added to the image itself"):
            edit.narrow(arch, index, out=2)
    assert edit.narrow(arch, 2, out=4).blocks[2].out == 4


def test_blocks_of_v4_are_narrowed_too():
    arch = zoo.find("mobilenet_v4_hybrid_medium")
    attention = next(i for i, block in enumerate(arch.blocks) if isinstance(block, Attention))
    ties = edit.tied(arch, attention)
    assert len(ties) == 12  # the whole stage of 160 channels is one sum
    narrowed = edit.narrow(arch, attention, out=152)
    assert {narrowed.blocks[i].out for i in ties} == {152}
    assert residuals(narrowed) == residuals(arch)
    assert edit.narrow(arch, 1, hidden=120).blocks[1] == replace(arch.blocks[1], hidden=120)
    assert isinstance(arch.blocks[2], Universal)
    assert edit.narrow(arch, 2, hidden=184).blocks[2] == replace(arch.blocks[2], hidden=184)
    with pytest.raises(ArchError, match="has no expansion to narrow"):
        edit.narrow(arch, attention, hidden=8)
    with pytest.raises(ArchError, match="hidden must be a multiple of groups, got 62 and 3"):
        edit.narrow(replace(arch, blocks=(Fused(3, 63, 8, groups=3),)), 0, hidden=62)


def test_classes_and_resolution():
    assert edit.classes(V2, 7).head.classes == 7
    assert edit.at(V2, 96) == zoo.find("mobilenet_v2", resolution=96)
    with pytest.raises(ArchError, match="classes must be"):
        edit.classes(V2, 0)
