"""Narrowing any network: by nothing it stays; channels that say nothing are not missed; the rest runs."""

from copy import deepcopy
from dataclasses import replace
from zlib import crc32

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

from mobilenets.arch import Arch, Attention, Classifier, Conv, Dialect, Fused, Inverted, Separable, Universal
from mobilenets.arch.edit import tied
from mobilenets.arch.heads import with_head
from mobilenets.arch.lower import lower
from mobilenets.arch.spec import LRASPP, DeepLab, Embedder, SSDLite
from mobilenets.arch.widths import narrowed, widths
from mobilenets.arch.zoo import find
from mobilenets.base.errors import ArchError
from mobilenets.nn import build, transplant

quick = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(quick, max_examples=150)

SIDE = 16
activations = st.sampled_from(("none", "relu", "relu6", "hardswish", "gelu"))
kernels = st.sampled_from((1, 3, 5))
antialiases = st.sampled_from(("none", "average", "blur"))
counts = st.integers(2, 12)
flags = st.booleans()


@st.composite
def blocks(draw, channels, stride):
    """A block of any kind; two in three keep the channels, so that residuals and ties happen."""
    out, activation = draw(st.one_of(st.just(channels), st.just(channels), counts)), draw(activations)
    kernel, dilation = draw(kernels), draw(st.integers(1, 2))
    residual = draw(st.sampled_from((True, True, False)))
    match draw(st.sampled_from((Conv, Separable, Inverted, Inverted, Inverted, Fused, Universal, Attention))):
        case kind if kind is Conv:
            return Conv(kernel, out, stride, activation)
        case kind if kind is Separable:
            return Separable(kernel, out, stride, activation, dilation)
        case kind if kind is Inverted:
            expand, squeeze = draw(flags), draw(st.sampled_from((0, 3, 8, 16)))
            hidden = draw(counts) if expand else channels
            gate, act = draw(st.sampled_from(("sigmoid", "hardsigmoid"))), draw(activations)
            return Inverted(
                kernel, hidden, out, stride, activation, squeeze, expand, gate, act, residual, dilation
            )
        case kind if kind is Fused:
            groups = 2 if channels % 2 == 0 and draw(st.integers(0, 3)) == 0 else 1
            hidden = groups * draw(st.integers(1, 6))
            return Fused(
                kernel, hidden, out, stride, activation, groups, residual, draw(antialiases), dilation
            )
        case kind if kind is Universal:
            start, middle = draw(st.sampled_from((0, 3))), draw(st.sampled_from((0, 3)))
            stride = stride if start or middle else 1
            more = draw(flags), draw(antialiases), dilation, residual
            return Universal(start, middle, draw(counts), out, stride, activation, *more)
        case _:
            shape = (draw(st.integers(1, 3)) for _ in range(3))
            return Attention(out, *shape, draw(st.sampled_from((1, 2))), 3, draw(flags), residual)


@st.composite
def heads(draw, made):
    """Any head on blocks; taps at outputs, expansions and filters."""
    last, taps = f"blocks.{len(made) - 1}", []
    for index, block in enumerate(made):
        taps.append(f"blocks.{index}")
        if isinstance(block, Universal) or (isinstance(block, Inverted) and block.expand):
            taps.append(f"blocks.{index}.expand")
        if isinstance(block, Inverted | Separable):
            taps.append(f"blocks.{index}.depthwise")
    fine = draw(st.sampled_from(taps))
    match draw(st.integers(0, 5)):
        case 0 | 1:
            shift = draw(st.sampled_from(("bias", "norm", "none")))
            return Classifier(5, draw(st.sampled_from((0, 9))), draw(activations), 0.2, shift)
        case 2:
            return Embedder(4)
        case 3:
            extras = tuple(draw(st.lists(st.integers(2, 9), max_size=2)))
            return SSDLite(3, (fine, last), extras, (((0.5, 0.5), (0.3, 0.6)),) * (2 + len(extras)))
        case 4:
            return LRASPP(3, (fine, last), draw(counts))
        case _:
            rates = draw(st.sampled_from(((), (2,), (1, 3))))
            return DeepLab(3, (last,), draw(counts), rates, draw(flags))


@st.composite
def archs(draw):
    """Small networks of every kind of block and head."""
    channels, made = 3, []
    for index in range(draw(st.integers(2, 5))):
        made.append(draw(blocks(channels, 2 if index in (0, 3) else 1)))
        channels = made[-1].out
    dialect = Dialect("any", 1e-3, 0.1, draw(st.sampled_from(("symmetric", "same"))),
                      draw(st.sampled_from(("linear", "conv"))))  # fmt: skip
    return Arch("any", SIDE, tuple(made), draw(heads(made)), dialect)


def images(count=4):
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def settled(arch):
    """A network in evaluation mode whose every number is as if trained; its norms have seen images."""
    torch.manual_seed(crc32(repr(arch).encode()))
    network = build(arch)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.endswith("norm.weight"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() == 1:
                tensor.normal_(0, 0.3)
            elif "classifier" in name or name == "head.project.weight":
                tensor.normal_(0, 0.5)
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None
        network.train()(images(8))
    return network.eval()


def answers(network):
    with torch.inference_mode():
        made = network(images().to(next(network.parameters()).dtype))
    return torch.cat([part.flatten(1) for part in (made if isinstance(made, tuple) else (made,))], dim=1)


def assert_same(one, other):
    """Answers that agree relative to their size: in float64, since other widths are added up in another
    order, which alone moves so deep a network by 1e-5 in float32.
    """
    mine, theirs = (answers(deepcopy(network).double()) for network in (one, other))
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9 * float(theirs.abs().max()))


def gone(network, arch):
    """Of every operation with a number per channel, by name: the channels that `arch` no longer has, drawn
    for each set of channels that must agree.
    """
    old, new = (dict(lower(one).named_ops()) for one in (network.arch, arch))
    drawn = {}
    for path, sort in kinds(network.arch).items():
        if sort not in drawn:
            drawn[sort] = torch.randperm(old[path].cout)[new[path].cout :]
        yield path, drawn[sort]


def kinds(arch):
    """For every operation that makes channels, or scales them by a norm of its own, a name of these channels.

    Written from the papers' figures, not from how narrowing or transplanting follow channels.
    """
    found, outs = {}, {index: f"out {tied(arch, index)[0]}" for index in range(len(arch.blocks))}
    outs[-1] = "image"
    for index, block in enumerate(arch.blocks):
        here, before, out = f"blocks.{index}", outs[index - 1], outs[index]
        hidden = f"hidden {index}" if getattr(block, "expand", True) else before
        parts = {
            Conv: {"": out},
            Separable: {".depthwise": before, ".pointwise": out},
            Inverted: {".expand": hidden, ".depthwise": hidden, ".squeeze.reduce": f"squeeze {index}",
                       ".squeeze.expand": hidden, ".project": out},
            Fused: {".expand": hidden, ".project": out},
            Universal: {".start": before, ".expand": hidden, ".depthwise": hidden, ".project": out,
                        ".gain": out},
            Attention: {".norm": before, ".key_shrink": before, ".value_shrink": before, ".project": out,
                        ".gain": out},
        }[type(block)]  # fmt: skip
        found |= {here + part: sort for part, sort in parts.items()}
    found |= of_head(arch, found, outs)
    names = dict(lower(arch).named_ops())
    return {path: sort for path, sort in found.items() if path in names}


def of_head(arch, found, outs):
    """The same for a head."""
    taps = [found[tap] if tap.count(".") > 1 else outs[int(tap.split(".")[1])] for tap in arch.head.taps]
    match arch.head:
        case Classifier():
            return {"head.hidden": "head hidden"}
        case LRASPP():
            return {"head.high": "high", "head.gate": "high"}
        case DeepLab():
            parts = [*(f"branches.{i}" for i in range(9)), "mean", "project", "refine"]
            return {f"head.{part}": part for part in parts}
        case SSDLite():
            made, maps = {}, taps
            for i in range(len(arch.head.extras)):
                made |= {f"head.extras.{i}.{part}": f"reduced {i}" for part in ("reduce", "depthwise")}
                made[f"head.extras.{i}.expand"] = f"extra {i}"
                maps.append(f"extra {i}")
            for i, sort in enumerate(maps):
                made |= {f"head.{part}.{i}.depthwise": sort for part in ("boxes", "scores")}
            return made
        case _:
            return {}


def silence(network, arch):
    """Zero weights, gammas, betas and biases of the channels that `arch` no longer has; gates say what they
    said, for what they scale is silent. Of several that write the same channels, one also has a zero of its
    own: who chose channels for each operation alone would take that.
    """
    state, silenced, sorts = network.state_dict(), 0, kinds(network.arch)
    written = [sort for path, sort in sorts.items() if f"{path}.conv.weight" in state]
    several = {sort for sort in written if written.count(sort) > 1}
    for path, channels in gone(network, arch):
        if path.endswith("squeeze.expand") or path == "head.gate":
            continue
        own = f"{path}.conv.weight" in state and sorts[path] in several
        several -= {sorts[path]} if own else set()
        for key, tensor in state.items():
            name = key.removeprefix(f"{path}.")
            if name in ("conv.weight", "norm.weight", "norm.bias", "weight", "bias", "gamma"):
                tensor[channels] = 0
                silenced += len(channels)
            if own and name in ("norm.weight", "norm.bias"):
                tensor[-1] = 0
    assert silenced
    return network


@st.composite
def narrower(draw, arch):
    """The network with some of its widths narrower."""
    found = widths(arch)
    assume(found)
    chosen = draw(st.lists(st.sampled_from(found), min_size=1, max_size=3, unique=True))
    return narrowed(arch, {w.name: draw(st.integers(w.least, w.channels - 1)) for w in chosen})


def stays_by_nothing(arch, data):
    network = settled(arch)
    twin = transplant(network, narrowed(arch, {width.name: width.channels for width in widths(arch)}))
    assert torch.equal(answers(twin), answers(network))


def does_not_miss_the_silent(arch, data):
    made = data.draw(narrower(arch))
    network = silence(settled(arch), made)
    assume(float(answers(network).abs().max()) > 1e-3)
    small = transplant(network, made)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in network.parameters())
    assert_same(small, network)


def runs_at_the_least_of_every_width(arch, data):
    network = settled(arch)
    for width in widths(arch):
        small = transplant(network, narrowed(arch, {width.name: width.least}))
        assert answers(small).isfinite().all()
        assert answers(small).shape == answers(network).shape
    made = transplant(network, data.draw(narrower(arch)))
    assert {key: tensor.shape for key, tensor in made.state_dict().items()} == {
        key: tensor.shape for key, tensor in build(made.arch).state_dict().items()
    }


PROPERTIES = pytest.mark.parametrize(
    "holds", [stays_by_nothing, does_not_miss_the_silent, runs_at_the_least_of_every_width]
)


@PROPERTIES
@quick
@given(arch=archs(), data=st.data())
def test_any_network(holds, arch, data):
    holds(arch, data)


@pytest.mark.slow
@PROPERTIES
@thorough
@given(arch=archs(), data=st.data())
def test_any_of_many_networks(holds, arch, data):
    holds(arch, data)


NAMES = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mnasnet_small", "mobilenetv4_conv_small_035")
TASKS = (
    ("detect", {"extras": (16, 8, 8, 4)}),
    ("segment", {"head": "lraspp"}),
    ("segment", {"head": "deeplab", "channels": 16}),
    ("embed", {}),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("task", "options"), TASKS)
def test_every_width_of_the_zoo_at_once(name, task, options):
    """A quarter of every width is silent and goes, taps at expansions and gates included."""
    arch = find(name, 0.35 if name in ("mobilenet_v2", "mobilenet_v3_small") else None, 32)
    arch = with_head(arch, task, 3, **options)
    arch = replace(arch, blocks=(*arch.blocks[:-1], replace(arch.blocks[-1], out=24)))
    made = narrowed(arch, {w.name: max(w.least, w.channels * 3 // 4) for w in widths(arch)})
    network = silence(settled(arch), made)
    assert answers(network).std(0).max() > 1e-3
    assert_same(transplant(network, made), network)


@pytest.mark.parametrize("part", ["expand", "depthwise"])
@pytest.mark.parametrize("head", ["ssdlite", "lraspp"])
def test_a_head_that_reads_inside_a_block_keeps_the_channels_that_the_block_keeps(head, part):
    arch = find("mobilenet_v3_small", 0.35, 32)
    arch = with_head(arch, "detect" if head == "ssdlite" else "segment", 3)
    index = next(i for i, b in enumerate(arch.blocks) if i > 2 and b.stride == 2)
    arch = replace(arch, head=replace(arch.head, taps=(f"blocks.{index}.{part}", arch.head.taps[-1])))
    network = settled(arch)
    wanted = [1, 4, 5, arch.blocks[index].hidden - 1]
    scores = torch.zeros(arch.blocks[index].hidden)
    scores[wanted] = 1
    made = transplant(
        network, narrowed(arch, {f"blocks.{index}.hidden": 4}), {f"blocks.{index}.expand": scores}
    )
    old, new = network.state_dict(), made.state_dict()
    assert torch.equal(
        new[f"blocks.{index}.expand.conv.weight"], old[f"blocks.{index}.expand.conv.weight"][wanted]
    )
    if head == "ssdlite":
        for name in ("boxes", "scores"):
            for key in ("conv.weight", "norm.running_var"):
                key = f"head.{name}.0.depthwise.{key}"
                assert torch.equal(new[key], old[key][wanted])
            assert torch.equal(
                new[f"head.{name}.0.predict.weight"], old[f"head.{name}.0.predict.weight"][:, wanted]
            )
    else:
        assert torch.equal(new["head.low_classifier.weight"], old["head.low_classifier.weight"][:, wanted])


def test_branches_side_by_side_each_keep_their_own_channels():
    arch = replace(
        with_head(find("mobilenet_v3_small", 0.35, 32), "segment", 3, "deeplab"),
        head=DeepLab(3, ("blocks.12",), 6, (2,), True),
    )
    arch = replace(arch, head=replace(arch.head, taps=(f"blocks.{len(arch.blocks) - 1}",)))
    network = settled(arch)
    ranks = {"branches.0": [0, 5], "branches.1": [1, 2], "mean": [3, 4], "project": [2, 5], "refine": [0, 1]}
    scores = {
        f"head.{part}": torch.isin(torch.arange(6), torch.tensor(kept)).float()
        for part, kept in ranks.items()
    }
    made = transplant(network, narrowed(arch, {"head.channels": 2}), scores).state_dict()
    old = network.state_dict()
    columns = [0, 5, 6 + 1, 6 + 2, 12 + 3, 12 + 4]
    assert torch.equal(made["head.project.conv.weight"], old["head.project.conv.weight"][[2, 5]][:, columns])
    assert torch.equal(made["head.refine.conv.weight"], old["head.refine.conv.weight"][[0, 1]][:, [2, 5]])
    with pytest.raises(ArchError, match="reads 3 branches of 6 channels, which cannot be more, got 21"):
        transplant(network, replace(arch, head=replace(arch.head, channels=7)))


@pytest.mark.parametrize("kind", [Inverted, Fused, Universal])
def test_a_block_that_comes_to_fit_its_input_does_not_begin_to_add_it(kind):
    block = Universal(3, 3, 16, 12) if kind is Universal else kind(3, 16, 12)
    arch = Arch("fit", SIDE, (Conv(3, 8, 2), block), Classifier(5), Dialect("any", 1e-3, 0.1))
    made = narrowed(arch, {"blocks.1.out": 8})
    network = silence(settled(arch), made)
    assert_same(transplant(network, made), network)
