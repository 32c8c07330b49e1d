"""Weights in other networks: the same function where it can be, one clear line where nothing fits."""

import time
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from mobilenets.arch import (
    Arch,
    Attention,
    Classifier,
    Conv,
    Fused,
    Inverted,
    Separable,
    Universal,
    edit,
    lower,
)
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.base.errors import ArchError
from mobilenets.nn import build, transplant

few = settings(max_examples=3)

NAMES = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small")  # separable, inverted, with a squeeze
OTHERS = ("mnasnet_small", "mobilenetv3_rw", "mobilenetv4_conv_small_035")
LARGE = (
    "mobilenet_v3_large", "mobilenetv1_100h", "tf_mobilenetv3_small_100", "mobilenetv4_hybrid_medium_075",
    "mobilenetv4_conv_blur_medium", "mobilenet_edgetpu_v2_xs", "efficientnet_lite0",
)  # fmt: skip
SIDE = 32


def settled(arch, seed=0):
    """A network with norms of a trained one's size, so that its logits depend on the input."""
    torch.manual_seed(seed)
    network = build(arch).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.3)
            part.running_mean.normal_(0, 0.2)
            part.num_batches_tracked.fill_(7)
    images = torch.randn(8, 3, SIDE, SIDE)
    with torch.no_grad():
        for part in network.modules():  # variances that were seen, layer after layer
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None
                part.reset_running_stats()
        network.train()(images)
        nn.init.normal_(network.head.classifier.weight, 0, 0.5)
    return network.eval()


def logits(network):
    images = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return network(images.to(network.blocks[0].conv.weight.dtype))


def assert_same(one, other, tolerance=1e-9):
    """Logits that depend on the input, and agree relative to their size: in float64, since other widths are
    added up in another order, which alone moves so deep a network by 1e-5 in float32.
    """
    mine, theirs = (logits(deepcopy(network).double()) for network in (one, other))
    assert theirs.std(0).mean() > 0.01 * theirs.abs().mean()
    torch.testing.assert_close(mine, theirs, rtol=0, atol=tolerance * float(theirs.abs().max()))


def small(name, width=0.35):
    """A network of the zoo with few channels in its last layer, which is most of its cost."""
    arch = find(name, width, SIDE, 11)
    last = len(arch.blocks) - 1
    return edit.swap(arch, last, replace(arch.blocks[last], out=24))


SOURCES = {name: settled(small(name)) for name in NAMES}


def changed(arch, index, field, count):
    """`arch` with `field` of a block, and all that is tied to it, at `count`."""
    if field == "hidden":
        block = replace(arch.blocks[index], hidden=count)
        return edit.swap(arch, index, block)
    blocks = list(arch.blocks)
    shared = edit.tied(arch, index)
    for i in shared:
        blocks[i] = replace(blocks[i], out=count)
    for i in (*shared, shared[-1] + 1):
        if i < len(blocks) and isinstance(blocks[i], Inverted) and not blocks[i].expand and i > shared[0]:
            blocks[i] = replace(blocks[i], hidden=count)
    return replace(arch, blocks=tuple(blocks))


@st.composite
def edits(draw, name, most=4):
    """A network with some of its channel counts changed, residuals as they were."""
    start = arch = small(name)
    for _ in range(draw(st.integers(1, most))):
        index = draw(st.integers(0, len(arch.blocks) - 1))
        block = arch.blocks[index]
        field = draw(st.sampled_from(("out", "hidden")))
        field = field if isinstance(block, Inverted) and block.expand else "out"
        arch = changed(arch, index, field, draw(st.integers(1, 2 * getattr(block, field))))
    assume([layer.residual for layer in lower(arch)] == [layer.residual for layer in lower(start)])
    return arch


@pytest.mark.parametrize(
    "name", [*NAMES, *OTHERS, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_into_itself_every_bit_stays(name):
    source = build(find(name, 0.5 if name in FAMILIES else None, SIDE)).eval()
    for tensor in source.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) * 9)
    twin = transplant(source, source.arch)
    assert twin.arch == source.arch
    assert not twin.training
    theirs = twin.state_dict()
    for key, tensor in source.state_dict().items():
        assert torch.equal(tensor, theirs[key]), key
        assert tensor.data_ptr() != theirs[key].data_ptr()


@pytest.mark.parametrize("name", NAMES)
@few
@given(data=st.data())
def test_any_edit_can_be_filled_and_leaves_the_source_alone(name, data):
    source = SOURCES[name]
    before = {key: tensor.clone() for key, tensor in source.state_dict().items()}
    arch = data.draw(edits(name))
    made = transplant(source, arch)
    assert logits(made).isfinite().all()
    assert all(torch.equal(tensor, before[key]) for key, tensor in source.state_dict().items())
    fresh = build(arch).state_dict()
    assert {key: tensor.shape for key, tensor in made.state_dict().items()} == {
        key: tensor.shape for key, tensor in fresh.items()
    }


@pytest.mark.parametrize("name", NAMES)
@few
@given(data=st.data())
def test_wider_networks_compute_the_same_and_give_the_old_one_back(name, data):
    source = SOURCES[name]
    arch = data.draw(edits(name))
    wide = [
        replace(
            block,
            **{
                key: max(getattr(block, key), getattr(old, key))
                for key in ("out", "hidden")
                if hasattr(old, key)
            },
        )
        for block, old in zip(arch.blocks, source.arch.blocks, strict=True)
    ]
    arch = replace(arch, blocks=tuple(wide))
    assume([layer.residual for layer in lower(arch)] == [layer.residual for layer in lower(source.arch)])
    assume(arch != source.arch)
    wider = transplant(source, arch)
    assert_same(wider, source)
    first = {key: torch.arange(len(tensor), 0, -1.0) for key, tensor in rows(wider).items()}
    back = transplant(wider, source.arch, first)  # the first channels are the old ones
    assert all(torch.equal(tensor, back.state_dict()[key]) for key, tensor in source.state_dict().items())


def rows(network):
    """A vector of the written channels for every operation that has weights."""
    state = network.state_dict()
    return {
        path: state[f"{path}.conv.weight" if op.norm else f"{path}.weight"]
        for path, op in lower(network.arch).named_ops()
        if op.weights
    }


@pytest.mark.parametrize("name", NAMES)
@few
@given(data=st.data())
def test_removed_channels_that_were_silent_are_not_missed(name, data):
    """A wider network whose new channels say nothing, shuffled among the others, narrowed by importance."""
    source = SOURCES[name]
    index = data.draw(st.integers(0, len(source.arch.blocks) - 1))
    block = source.arch.blocks[index]
    field = "hidden" if isinstance(block, Inverted) and block.expand and data.draw(st.booleans()) else "out"
    count = getattr(block, field)
    arch = changed(source.arch, index, field, count + data.draw(st.integers(1, 9)))
    assume([layer.residual for layer in lower(arch)] == [layer.residual for layer in lower(source.arch)])
    wide = settled(arch, seed=1)
    state = wide.state_dict()
    silent = torch.randperm(getattr(arch.blocks[index], field))[count:]
    for path in writers(arch, index, field):
        for key in ("weight", "bias"):
            state[f"{path}.norm.{key}"][silent] = 0
    wide.load_state_dict(state)
    assert_same(transplant(wide, source.arch), wide)


def writers(arch, index, field):
    """The operations with a norm that write the channels of a block."""
    paths = [path for path, op in lower(arch).named_ops() if op.norm]
    if field == "hidden":
        return [path for path in paths if path in (f"blocks.{index}.expand", f"blocks.{index}.depthwise")]
    shared, found = edit.tied(arch, index), []
    for i in shared:
        found.append([path for path in paths if path == f"blocks.{i}" or path.startswith(f"blocks.{i}.")][-1])
    for i in (*shared, shared[-1] + 1):  # a depthwise filter directly on these channels writes them again
        follows = i < len(arch.blocks) and i > shared[0]
        if follows and (isinstance(arch.blocks[i], Separable) or not getattr(arch.blocks[i], "expand", True)):
            found.append(f"blocks.{i}.depthwise")
    return found


def test_channels_that_are_added_are_chosen_together():
    """One channel of a residual stage stands out in one block only; all blocks of the stage must keep it."""
    arch = Arch("stage", SIDE, (Conv(3, 8, 2), Inverted(3, 16, 8), Inverted(3, 16, 8)), Classifier(5),
                small("mobilenet_v2").dialect)  # fmt: skip
    source = settled(arch)
    source.state_dict()["blocks.1.project.norm.weight"][5] = 1000.0
    narrowed = transplant(source, edit.narrow(arch, 0, out=1))
    state, old = narrowed.state_dict(), source.state_dict()
    for path in ("blocks.0.norm.bias", "blocks.1.project.norm.bias", "blocks.2.project.norm.bias"):
        assert state[path].tolist() == [old[path][5].item()]
    for path in ("blocks.1.expand.conv.weight", "blocks.2.expand.conv.weight", "head.classifier.weight"):
        assert torch.equal(state[path][:, 0], old[path][:, 5])


def test_importance_decides_where_it_is_given():
    source = SOURCES["mobilenet_v3_small"]
    index = 5
    hidden = source.arch.blocks[index].hidden
    arch = edit.narrow(source.arch, index, hidden=3)
    wanted = [1, 4, hidden - 1]
    scores = torch.zeros(hidden)
    scores[wanted] = 1
    made = transplant(source, arch, {f"blocks.{index}.expand": scores})
    for part in ("expand", "depthwise"):
        for key in ("conv.weight", "norm.weight", "norm.running_var"):
            name = f"blocks.{index}.{part}.{key}"
            assert torch.equal(made.state_dict()[name], source.state_dict()[name][wanted])
    name = f"blocks.{index}.project.conv.weight"
    assert torch.equal(made.state_dict()[name], source.state_dict()[name][:, wanted])


def test_another_number_of_classes_is_a_fresh_classifier():
    source = SOURCES["mobilenet_v3_small"]
    made = transplant(source, edit.classes(source.arch, 3))
    old, new = source.state_dict(), made.state_dict()
    assert new["head.classifier.weight"].shape[0] == 3
    others = [key for key in new if "classifier" not in key]
    assert others
    assert all(torch.equal(old[key], new[key]) for key in others)
    v4 = settled(V4)
    fresh = transplant(v4, replace(V4, head=replace(V4.head, shift="bias"))).state_dict()
    assert torch.equal(fresh["blocks.5.expand.conv.weight"], v4.state_dict()["blocks.5.expand.conv.weight"])
    assert not torch.equal(fresh["head.classifier.weight"], v4.state_dict()["head.classifier.weight"])
    bare = transplant(source, replace(source.arch, head=Classifier(11)))
    assert torch.equal(bare.state_dict()["blocks.3.expand.conv.weight"], old["blocks.3.expand.conv.weight"])


def test_a_hidden_layer_may_be_a_convolution():
    """torchvision's and timm's V3 at width 1.0 differ in this alone, and in the epsilon, made equal here."""
    source = settled(find("mobilenet_v3_small", resolution=SIDE))
    conv = replace(source.arch, dialect=replace(source.arch.dialect, name="timm", hidden="conv"))
    made = transplant(source, conv)
    assert made.head.hidden.weight.dim() == 4
    assert_same(made, source)
    assert_same(transplant(made, source.arch), source, 0)


@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_a_larger_kernel_computes_the_same_and_a_smaller_one_is_its_centre(padding):
    arch = small("mobilenet_v2")
    arch = replace(arch, dialect=replace(arch.dialect, padding=padding))
    source = settled(arch)
    larger = replace(
        arch, blocks=tuple(replace(b, kernel=b.kernel + 2 * (b.kernel > 1)) for b in arch.blocks)
    )
    made = transplant(source, larger)
    assert made.state_dict()["blocks.1.depthwise.conv.weight"].shape[-1] == 5
    assert_same(made, source)
    assert_same(transplant(made, arch), source, 0)


def test_blocks_with_a_residual_come_as_the_identity_and_go():
    arch = small("mobilenet_v2", 0.5)
    source = settled(arch)
    last = max(i for i, layer in enumerate(lower(arch)) if layer.residual)
    deeper = replace(arch, blocks=(*arch.blocks[: last + 1], arch.blocks[last], *arch.blocks[last + 1 :]))
    made = transplant(source, deeper)
    assert len(made.blocks) == len(source.blocks) + 1
    assert_same(made, source)
    assert_same(transplant(made, arch), source, 0)


def test_a_stage_may_grow_while_another_shrinks():
    """The depth stays; blocks still correspond within their stages."""
    blocks = (Conv(3, 8, 2), Inverted(3, 16, 8), Inverted(3, 12, 10, 2), Inverted(3, 14, 10))
    source = settled(Arch("depths", SIDE, blocks, Classifier(5), small("mobilenet_v2").dialect))
    other = (Conv(3, 8, 2), Inverted(3, 12, 10, 2), Inverted(3, 14, 10), Inverted(3, 18, 10))
    made, old = transplant(source, replace(source.arch, blocks=other)).state_dict(), source.state_dict()
    for new, before in (("1", "2"), ("2", "3")):
        assert torch.equal(
            made[f"blocks.{new}.expand.conv.weight"], old[f"blocks.{before}.expand.conv.weight"]
        )
    assert not made["blocks.3.project.norm.weight"].any()


def test_a_residual_that_came_or_went_leaves_blocks_where_they_are():
    """One residual ends and another begins: as many runs as before, but other ones."""
    blocks = (Conv(3, 8, 2), Inverted(3, 16, 10), Inverted(3, 14, 10), Inverted(3, 12, 12))
    source = settled(Arch("ties", SIDE, blocks, Classifier(5), small("mobilenet_v2").dialect))
    other = (Conv(3, 8, 2), Inverted(3, 16, 8), Inverted(3, 14, 10), Inverted(3, 12, 12))
    arch = replace(source.arch, blocks=other)
    assert [layer.residual for layer in lower(arch)] != [layer.residual for layer in lower(source.arch)]
    made, old = transplant(source, arch).state_dict(), source.state_dict()
    for i in range(4):
        for key in ("expand.norm.weight", "depthwise.conv.weight") if i else ("norm.weight",):
            assert torch.equal(made[f"blocks.{i}.{key}"], old[f"blocks.{i}.{key}"])
    assert made["blocks.1.project.norm.weight"].all()


def test_strides_and_sides_do_not_matter():
    source = SOURCES["mobilenet_v2"]
    index = next(i for i, block in enumerate(source.arch.blocks) if i and block.stride == 2)
    dense = edit.swap(source.arch, index, replace(source.arch.blocks[index], stride=1))
    made = transplant(source, edit.at(dense, 64))
    assert all(torch.equal(tensor, made.state_dict()[key]) for key, tensor in source.state_dict().items())


V4 = Arch(
    "v4",
    SIDE,
    (
        Conv(3, 8, 2, "relu"),
        Fused(3, 16, 12, 2),
        Universal(3, 5, 24, 12, gain=True),
        Universal(0, 0, 24, 12),
        Attention(12, heads=2, key=4, value=6, shrink=2),
        Universal(3, 0, 24, 16),
        Attention(16, heads=2, key=4, value=4),
    ),
    Classifier(11, 20, "relu", shift="norm"),
    find("mobilenetv4_conv_small").dialect,
)


def test_channels_are_followed_through_the_blocks_of_v4():
    source = settled(V4)
    blocks = list(V4.blocks)
    for i in (1, 2, 3, 4):
        blocks[i] = replace(blocks[i], out=17)
    blocks[2], blocks[5] = replace(blocks[2], hidden=31, kernel=7), replace(blocks[5], hidden=25, start=5)
    wide = replace(V4, blocks=tuple(blocks), head=replace(V4.head, hidden=33))
    made = transplant(source, wide)
    assert_same(made, source)
    first = {key: torch.arange(len(tensor), 0, -1.0) for key, tensor in rows(made).items()}
    back = transplant(made, V4, first).state_dict()
    assert all(torch.equal(tensor, back[key]) for key, tensor in source.state_dict().items())


def test_blocks_of_v4_come_as_the_identity_and_go():
    source = settled(V4)
    twice = replace(V4, blocks=(*V4.blocks[:5], *V4.blocks[2:5], *V4.blocks[5:]))
    made = transplant(source, twice)
    assert_same(made, source)
    assert_same(transplant(made, V4), source, 0)


def test_convolutions_in_groups_keep_their_channels():
    arch = Arch(
        "groups", SIDE, (Conv(3, 8, 2), Fused(3, 16, 8, groups=2), Conv(1, 9)), Classifier(5), V4.dialect
    )
    source = settled(arch)
    wider = replace(arch, blocks=(*arch.blocks[:2], Conv(1, 12)))
    assert_same(transplant(source, wider), source)
    with pytest.raises(ArchError, match="8 channels in groups or heads, which cannot be more or fewer"):
        transplant(source, edit.narrow(arch, 0, out=4))


def refused():
    v2, v3 = small("mobilenet_v2"), small("mobilenet_v3_small")
    yield v2, replace(v3, dialect=v2.dialect), None, "of 19 blocks cannot become one of 13"
    yield v3, edit.swap(v3, 4, Separable(5, v3.blocks[4].out, 2)), None, r"blocks\[4\] differs .* expand"
    yield (
        v2,
        replace(v2, blocks=v2.blocks[:-3]),
        None,
        "only blocks that add their input may be more or fewer",
    )
    plain = edit.swap(v3, 5, replace(v3.blocks[5], squeeze=0))
    yield v3, plain, None, r"blocks\[5\] differs from its counterpart in squeeze"
    yield (
        v2,
        find("mobilenet_v2", 0.35, SIDE, 11, "tensorflow"),
        None,
        "norm_eps 1e-05 and 0.001, padding symmetric and same",
    )
    more = edit.swap(V4, 4, replace(V4.blocks[4], key=6))
    yield V4, more, None, r"blocks\.4\.query has 8 channels in groups or heads.*, got 12"
    bias = replace(V4, head=replace(V4.head, shift="bias"))
    yield V4, edit.swap(bias, 3, Universal(0, 0, 24, 12, gain=True)), None, r"blocks\[3\] differs .* gain"
    yield v2, v2, {"blocks.99.expand": torch.zeros(3)}, "importance names 'blocks.99.expand'"
    yield v2, v2, {"blocks.2.expand": torch.zeros(3)}, "finite scores"


@pytest.mark.parametrize(("old", "new", "scores", "message"), list(refused()))
def test_what_has_no_counterpart_is_refused_in_one_line(old, new, scores, message):
    network = build(old)
    with pytest.raises(ArchError, match=message) as caught:
        transplant(network, new, scores)
    assert "\n" not in str(caught.value)


def test_v3_large_takes_less_than_a_second():
    source = build(find("mobilenet_v3_large"))
    transplant(source, source.arch)
    took = []
    for _ in range(3):
        start = time.process_time()
        transplant(source, find("mobilenet_v3_large", 0.75))
        took.append(time.process_time() - start)
    assert min(took) < 1
