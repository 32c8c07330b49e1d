"""Lowering: sides, residuals, names, and what each kind of block is made of."""

import pytest
from arch_strategies import archs
from hypothesis import given

from mobilenets.arch import Attention, Conv, Fused, Inverted, Separable, Universal, lower, zoo
from mobilenets.arch.lower import INPUT, lower_block


def symmetric(side, kernel, stride):
    """The output side of a convolution padded by (k-1)/2 on both ends."""
    return (side + 2 * ((kernel - 1) // 2) - kernel) // stride + 1


def same(side, kernel, stride):
    """The output side of TensorFlow's rule, by its own padding formula."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return (side + total - kernel) // stride + 1


SQUEEZE = ("squeeze.pool", "squeeze.reduce", "squeeze.expand", "squeeze.scale")


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_both_paddings_give_the_sides_of_the_lowered_network(kernel, stride):
    for side in range(1, 230):
        lowered = lower_block(Conv(kernel=kernel, out=8, stride=stride), 3, side).side
        assert lowered == symmetric(side, kernel, stride) == same(side, kernel, stride)


@pytest.mark.parametrize(
    ("resolution", "sides"),
    [
        (224, (112, 56, 28, 14, 7)), (225, (113, 57, 29, 15, 8)), (97, (49, 25, 13, 7, 4)),
        (33, (17, 9, 5, 3, 2)), (1, (1, 1, 1, 1, 1)),
    ],
)  # fmt: skip
def test_sides_of_odd_inputs(resolution, sides):
    layers = lower(zoo.mobilenet_v1(resolution=resolution))
    assert tuple(dict.fromkeys(layer.side for layer in layers[:-1])) == tuple(dict.fromkeys(sides))


@pytest.mark.parametrize(
    ("block", "cin", "adds"),
    [
        (Inverted(3, 32, 16), 16, True),
        (Inverted(3, 32, 16, stride=2), 16, False),
        (Inverted(3, 32, 24), 16, False),
        (Inverted(3, 16, 16, expand=False), 16, True),
        (Inverted(3, 32, 16, residual=False), 16, False),
        (Fused(3, 32, 16), 16, True),
        (Fused(3, 32, 16, residual=False), 16, False),
        (Universal(0, 0, 32, 16), 16, True),
        (Universal(3, 0, 32, 16, stride=2), 16, False),
        (Attention(16, 2, 4, 4), 16, True),
        (Attention(24, 2, 4, 4), 16, False),
        (Separable(3, 16), 16, False),
        (Conv(3, 16), 16, False),
    ],
)
def test_a_residual_needs_stride_one_and_equal_channels_in_a_block_that_may_add(block, cin, adds):
    assert lower_block(block, cin, 8).residual is adds


def test_the_residuals_of_v2_are_those_of_the_paper():
    layers = lower(zoo.find("mobilenet_v2"))
    assert [i for i, layer in enumerate(layers) if layer.residual] == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]


@pytest.mark.parametrize(
    ("block", "names"),
    [
        (Conv(3, 8), [""]),
        (Separable(3, 8), ["depthwise", "pointwise"]),
        (Inverted(3, 8, 8, expand=False), ["depthwise", "project"]),
        (Inverted(3, 8, 8), ["expand", "depthwise", "project"]),
        (Inverted(3, 8, 8, squeeze=2),
         ["expand", "depthwise", *SQUEEZE, "project"]),
        (Fused(3, 16, 8), ["expand", "project"]),
        (Fused(3, 16, 8, stride=2, antialias="average"), ["expand", "smooth", "project"]),
        (Universal(5, 3, 16, 8), ["start", "expand", "depthwise", "project"]),
        (Universal(0, 3, 16, 8, gain=True), ["expand", "depthwise", "project", "gain"]),
        (Universal(5, 0, 16, 8, stride=2, antialias="blur"), ["start", "smooth", "expand", "project"]),
        (Universal(0, 0, 16, 8), ["expand", "project"]),
        (Attention(8, 2, 4, 4, gain=False), ["norm", "query", "key", "value", "match", "mix", "project"]),
        (Attention(8, 2, 4, 4, shrink=2), ["norm", "query", "key_shrink", "key", "value_shrink", "value",
                                           "match", "mix", "project", "gain"]),
    ],
)  # fmt: skip
def test_what_a_block_is_made_of(block, names):
    ops = lower_block(block, 8, 4).ops
    assert [op.name for op in ops] == names
    assert ops[-1].activation == (block.activation if isinstance(block, Conv | Separable) else "none")


@pytest.mark.parametrize(
    ("block", "sides", "strided"),
    [
        (Universal(5, 3, 16, 8, stride=2), [9, 9, 5, 5], "depthwise"),
        (Universal(5, 0, 16, 8, stride=2), [5, 5, 5], "start"),
        (Universal(0, 3, 16, 8, stride=2), [9, 5, 5], "depthwise"),
        (Universal(5, 3, 16, 8, stride=2, antialias="blur"), [9, 9, 9, 5, 5], "smooth"),
        (Universal(5, 3, 16, 8, stride=2, antialias="average"), [9, 9, 9, 4, 4], "smooth"),
        (Fused(3, 16, 8, stride=2), [5, 5], "expand"),
        (Fused(3, 16, 8, stride=2, antialias="average"), [9, 4, 4], "smooth"),
    ],
)
def test_where_a_block_strides(block, sides, strided):
    ops = lower_block(block, 8, 9).ops
    assert [op.side_out for op in ops] == sides
    assert [op.name for op in ops if op.stride > 1] == [strided]


def test_attention_looks_at_every_pixel_of_a_halved_map():
    ops = {op.name: op for op in lower_block(Attention(8, 2, 4, 6, shrink=2), 8, 9).ops}
    assert (ops["match"].cin, ops["match"].cout) == (2 * 4, 2 * 5 * 5)
    assert (ops["mix"].cin, ops["mix"].cout) == (2 * 5 * 5, 2 * 6)
    assert [name for name, op in ops.items() if op.norm] == ["norm", "key_shrink", "value_shrink"]
    assert not any(op.bias for op in ops.values())


def test_where_norms_and_biases_are():
    ops = dict(lower(zoo.find("mobilenet_v3_small")).named_ops())
    with_bias = {name.removeprefix("blocks.") for name, op in ops.items() if op.bias}
    assert {name.split(".", 1)[1] for name in with_bias if name[0].isdigit()} == {
        "squeeze.reduce",
        "squeeze.expand",
    }
    assert {name for name in with_bias if name.startswith("head")} == {"head.hidden", "head.classifier"}
    assert all(op.norm != op.bias for op in ops.values() if op.weights)


def test_the_hidden_layer_is_what_the_dialect_says():
    kinds = {
        dialect: dict(lower(zoo.find("mobilenet_v3_small", dialect=dialect)).named_ops())["head.hidden"].kind
        for dialect in ("torchvision", "timm", "tensorflow")
    }
    assert kinds == {"torchvision": "linear", "timm": "conv", "tensorflow": "conv"}


def test_module_names_stay_as_they_are():
    """Weights files hold these names: a change here breaks every file that was written."""
    names = [name for name, _ in lower(zoo.find("mobilenet_v3_small")).named_ops()]
    block = ["expand", "depthwise", *SQUEEZE, "project"]
    assert names[:6] == ["blocks.0", *(f"blocks.1.{op}" for op in block[1:6])]
    assert names[7:10] == ["blocks.2.expand", "blocks.2.depthwise", "blocks.2.project"]
    assert [name for name in names if name.startswith("blocks.11.")] == [f"blocks.11.{op}" for op in block]
    assert names[-4:] == ["blocks.12", "head.pool", "head.hidden", "head.classifier"]


@given(archs())
def test_every_lowered_network_is_consistent(arch):
    lowered = lower(arch)
    named = list(lowered.named_ops())
    assert len({name for name, _ in named}) == len(named)
    assert len(lowered) == len(arch.blocks) + 1
    assert lowered[-1].block == arch.head
    shape, maps = (3, arch.resolution), {}
    for index, layer in enumerate(lowered):
        made, before = {INPUT: shape, **(maps if layer is lowered[-1] else {})}, INPUT
        for op in layer.ops:
            assert_fits(op, [made[name] for name in op.reads or (before,)])
            made[op.name], before = (op.cout, op.side_out), op.name
            maps[f"blocks.{index}.{op.name}"] = made[op.name]
        if layer.residual:
            assert (layer.channels, layer.side) == shape
        shape = maps[f"blocks.{index}"] = (layer.channels, layer.side)
    assert [size for _, size in lowered[-1].held] == [
        c * side**2 for c, side in map(maps.get, arch.head.taps[:-1])
    ]


def assert_fits(op, sources):
    """Channels and sides of what an operation reads are those that it says."""
    assert op.cin % op.groups == op.cout % op.groups == 0
    if op.kind == "concat":
        assert (sum(channels for channels, _ in sources), op.side_in) == (op.cin, sources[0][1])
        assert len({side for _, side in sources}) == 1
        return
    assert sources[0] == (op.cin, op.side_in)
    if op.kind == "scale":  # the gate has one entry per channel
        assert sources[1] == (op.cout, 1)
    if op.kind == "add":
        assert sources[0] == sources[1]


def test_blocks_are_remembered_and_networks_are_not():
    arch = zoo.find("mobilenet_v2")
    first, second = lower(arch), lower(arch)
    assert first is not second
    assert all(a is b for a, b in zip(first, second, strict=True))
