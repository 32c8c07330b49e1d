"""Widths: which there are by the table of a paper, what follows from them, and what is refused."""

from dataclasses import replace

import pytest
from arch_strategies import archs
from hypothesis import given
from hypothesis import strategies as st

from mobilenets.arch import (
    Attention,
    Classifier,
    Conv,
    Fused,
    Inverted,
    Separable,
    Universal,
    cost,
    lower,
    zoo,
)
from mobilenets.arch.heads import with_head
from mobilenets.arch.widths import narrowed, scaled, sharing, widths
from mobilenets.base.errors import ArchError

V1 = zoo.find("mobilenet_v1")
V2 = zoo.find("mobilenet_v2")
V3 = zoo.find("mobilenet_v3_small")
V4 = zoo.find("mobilenet_v4_hybrid_medium")


def residuals(arch):
    return {index for index, layer in enumerate(lower(arch)) if layer.residual}


def named(arch):
    return {width.name: width.channels for width in widths(arch)}


def test_the_widths_of_v2_are_those_of_its_table():
    outs = {0: 32, 1: 16, 2: 24, 4: 32, 7: 64, 11: 96, 14: 160, 17: 320, 18: 1280}  # V2, table 2
    hidden = [96, 144, 144, *[192] * 3, *[384] * 4, *[576] * 3, *[960] * 3]
    assert {name: count for name, count in named(V2).items() if name.endswith("out")} == {
        f"blocks.{index}.out": count for index, count in outs.items()
    }
    assert [count for name, count in named(V2).items() if name.endswith("hidden")] == hidden
    assert list(named(V2))[:5] == [
        "blocks.0.out", "blocks.1.out", "blocks.2.hidden", "blocks.2.out", "blocks.3.hidden",
    ]  # fmt: skip


def test_the_widths_of_v1_are_its_layers():
    assert named(V1) == {f"blocks.{index}.out": block.out for index, block in enumerate(V1.blocks)}


def test_attention_has_no_width_of_its_own_but_shares_the_sum():
    places = [i for i, block in enumerate(V4.blocks) if isinstance(block, Attention)]
    assert places
    assert not {f"blocks.{i}.{part}" for i in places for part in ("hidden", "out")} & named(V4).keys()
    assert named(V4)["head.hidden"] == 1280


@pytest.mark.parametrize(
    ("task", "head", "wanted"),
    [
        ("classify", None, {"head.hidden": 1024}),
        ("detect", None, {f"head.extras.{i}": n for i, n in enumerate((512, 256, 256, 128))}),
        ("segment", "lraspp", {"head.channels": 128}),
        ("segment", "deeplab", {"head.channels": 256}),
        ("embed", None, {}),
    ],
)
def test_the_widths_of_every_head(task, head, wanted):
    arch = with_head(V3, task, 5, head)
    assert {name: count for name, count in named(arch).items() if name.startswith("head")} == wanted


def test_what_is_in_groups_or_added_to_the_image_keeps_its_channels():
    blocks = (Inverted(3, 8, 3), Conv(3, 8), Fused(3, 16, 8, groups=2), Conv(1, 9))
    assert named(replace(V2, blocks=blocks)) == {"blocks.0.hidden": 8, "blocks.3.out": 9}
    assert named(replace(V2, blocks=(Conv(3, 8), Fused(3, 16, 8)))) == {
        "blocks.0.out": 8, "blocks.1.hidden": 16,
    }  # fmt: skip
    assert named(replace(V2, blocks=(Conv(3, 1), Separable(3, 2)))) == {"blocks.1.out": 2}
    halves = replace(V2, blocks=(Conv(3, 8), Inverted(3, 8, 8), Fused(3, 16, 6, groups=2)))
    assert named(halves) == {"blocks.1.hidden": 8, "blocks.2.out": 6}


def test_several_at_once_with_all_that_follows():
    arch = with_head(V3, "detect", 5)
    made = narrowed(
        arch, {"blocks.0.out": 8, "blocks.4.hidden": 48, "blocks.4.out": 32, "head.extras.1": 100}
    )
    assert (made.blocks[0].out, made.blocks[1].hidden) == (8, 8)
    assert (arch.blocks[4].squeeze, made.blocks[4].squeeze) == (24, 16)  # 12 rounded as V3 rounds
    assert [made.blocks[i].out for i in (4, 5, 6, 7)] == [32] * 3 + [48]
    assert made.head.extras == (512, 100, 256, 128)
    assert made.head.taps == arch.head.taps
    assert residuals(made) == residuals(arch)


def test_a_tap_follows_its_expansion():
    arch = with_head(V3, "detect", 5)
    tap = arch.head.taps[0]
    assert tap.endswith(".expand")
    index = int(tap.split(".")[1])
    made = narrowed(arch, {f"blocks.{index}.hidden": 24})
    depthwise = {op.name: op for op in lower(made)[-1].ops}["boxes.0.depthwise"]
    assert (depthwise.cin, depthwise.groups) == (24, 24)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"blocks.8.out": 8}, r"mobilenet_v2 has no width 'blocks\.8\.out' that can be narrower"),
        ({"blocks.1.hidden": 8}, r"no width 'blocks\.1\.hidden'"),
        ({"head.hidden": 8}, r"no width 'head\.hidden'"),
        ({"blocks.7.out": 65}, r"blocks\.7\.out is 64; 65 is not from 1 to 64"),
        ({"blocks.7.out": 0}, r"0 is not from 1 to 64"),
        ({"blocks.7.out": 8.0}, r"8\.0 is not from 1 to 64"),
        ({"blocks.7.out": True}, r"True is not from 1 to 64"),
    ],
)
def test_what_cannot_be_narrowed(counts, message):
    with pytest.raises(ArchError, match=message) as caught:
        narrowed(V2, counts)
    assert "\n" not in str(caught.value)


@given(archs(), st.data())
def test_any_width_of_any_network_can_be_narrower_and_costs_less(arch, data):
    found = widths(arch)
    assert narrowed(arch, named(arch)) == narrowed(arch, {}) == arch
    for width in found:
        less = data.draw(st.integers(width.least, width.channels - 1))
        made = narrowed(arch, {width.name: less})
        assert named(made).get(width.name, width.least) == less
        assert cost(made).macs < cost(arch).macs
        assert cost(made).params < cost(arch).params
        assert residuals(made) == residuals(arch)
        assert [op.name for layer in lower(made) for op in layer.ops] == [
            op.name for layer in lower(arch) for op in layer.ops
        ]


@given(archs(), st.data())
def test_all_widths_at_once_give_what_one_after_the_other_gives(arch, data):
    counts = {width.name: data.draw(st.integers(width.least, width.channels)) for width in widths(arch)}
    step = arch
    for name, count in data.draw(st.permutations(list(counts.items()))):
        step = narrowed(step, {name: count})
    made = narrowed(arch, counts)
    assert lower(made)[-1].macs == lower(step)[-1].macs
    assert cost(made).macs == cost(step).macs
    assert residuals(made) == residuals(arch)


def test_bottlenecks_of_one_resolution():
    assert sharing(V2) == (("blocks.7.out", "blocks.11.out"), ("blocks.14.out", "blocks.17.out"))
    assert sharing(V1)[-1] == ("blocks.12.out", "blocks.13.out")
    assert not sharing(zoo.find("mobilenet_v4_conv_small"))  # one sum at every resolution


@given(archs())
def test_bottlenecks_share_their_resolution(arch):
    known, seen = named(arch), []
    layers = lower(arch)
    for names in sharing(arch):
        assert len(names) > 1
        assert len({layers[int(name.split(".")[1])].side for name in names}) == 1
        seen += names
    assert set(seen) <= known.keys()
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("arch", [V1, V2, V3, V4, with_head(V2, "detect", 5)], ids=str)
def test_scaling_a_whole_network(arch):
    half = scaled(arch, 0.5)
    assert residuals(half) == residuals(arch)
    assert all(count % 8 == 0 for count in named(half).values())
    assert 0.2 < cost(half).macs / cost(arch).macs < 0.4
    assert scaled(arch, 1) == arch
    assert scaled(half, 2).blocks[-1].out == arch.blocks[-1].out
    costs = [cost(scaled(arch, factor)).macs for factor in (0.3, 0.5, 0.7, 0.9, 1, 1.3)]
    assert costs == sorted(set(costs))


def test_scaling_agrees_with_the_paper_where_the_rule_is_the_same():
    """V1 in this dialect is scaled and rounded to multiples of 8 as here."""
    made = scaled(V1, 0.75)
    assert [block.out for block in made.blocks] == [
        block.out for block in zoo.find("mobilenet_v1", 0.75).blocks
    ]


def test_scaling_never_crosses_the_present_count():
    arch = replace(V2, blocks=(Conv(3, 12, 2), Universal(3, 3, 20, 12)), head=Classifier(5, 10))
    assert scaled(arch, 0.85) == narrowed(arch, {"blocks.1.hidden": 16, "head.hidden": 8})
    assert [block.out for block in scaled(arch, 0.5, multiple=1).blocks] == [6, 6]


@pytest.mark.parametrize(("factor", "multiple"), [(0, 8), (-1, 8), (0.5, 0), (0.5, 1.5), (float("nan"), 8)])
def test_scaling_by_nothing_is_refused(factor, multiple):
    with pytest.raises(ArchError, match="factor and multiple must be above 0"):
        scaled(V2, factor, multiple)
