"""Shared weights: a network run through them is the network that has its slices."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError
from mobilenets.jobs.sandwich import Sandwich, candidate
from mobilenets.nas import spaces
from mobilenets.nn import build
from mobilenets.nn.shared import Candidate, Shared, holds, shapes

HOMES = {"mnasnet": "mobilenet_v2", "v3": "mobilenet_v3_small", "v4": "mobilenet_v4_conv_small"}


def space_of(name, side=32):
    return spaces.space_around(name, find(HOMES[name], resolution=side, classes=4))


@pytest.fixture(scope="module")
def small():
    """A space of few networks, its weights, the largest network and another."""
    space = space_of("v3")
    space = space.limited({one.name: one.options[:2] for one in space.decisions})
    torch.manual_seed(0)
    sandwich = Sandwich.of(space)
    shared = Shared.of(sandwich.all())
    return space, shared, sandwich, candidate(space, space.sample(np.random.default_rng(1)))


def test_it_computes_what_a_network_of_its_own_computes(small):
    _, shared, _, found = small
    network = build(found.arch)
    missing, unexpected = network.load_state_dict(shared.weights(found), strict=False)
    assert not unexpected
    assert all("running" in name or "num_batches" in name for name in missing)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(shared(found, x), network.train()(x), rtol=0, atol=1e-6)
    own = shared.network(found).eval()
    network.load_state_dict({**network.state_dict(), **own.state_dict()})
    assert torch.equal(network.eval()(x), own(x))


def test_gradients_reach_the_slices_and_nothing_else(small):
    _, shared, _, found = small
    shared.zero_grad()
    shared(found, torch.randn(4, 3, 32, 32)).square().sum().backward()
    own = {key.replace(".", "/"): shape for key, shape in shapes(found).items()}
    for name, parameter in shared.named_parameters():
        if name not in own:
            assert parameter.grad is None, name
            continue
        part = parameter.grad
        for axis, (have, want) in enumerate(zip(part.shape, own[name], strict=True)):
            part = part.narrow(axis, (have - want) // 2 if axis > 1 else 0, want)
        assert part.count_nonzero() == parameter.grad.count_nonzero(), name
    assert any(parameter.grad is None for _, parameter in shared.named_parameters())
    assert shared.get_parameter("head:classifier/weight").grad.count_nonzero() > 0
    shared.zero_grad()


@pytest.mark.slow
def test_smaller_channels_come_first_and_smaller_kernels_lie_in_the_centre():
    space = space_of("mnasnet")
    values = space.values(Sandwich.of(space).largest)
    wide = space.genotype(values | {"stage3.operation": "bottleneck6", "stage3.kernel": 5})
    narrow = space.genotype(values | {"stage3.operation": "bottleneck3", "stage3.kernel": 3})
    large, less = candidate(space, wide), candidate(space, narrow)
    shared = Shared.of([large])
    index = large.places.index("stage3.1")
    name = f"blocks.{index}.depthwise.conv.weight"
    whole, part = shared.weights(large)[name], shared.weights(less)[name]
    assert whole.shape[-1] == 5
    assert torch.equal(part, whole[: len(part), :, 1:4, 1:4])
    assert 2 * len(part) == len(whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOMES)
def test_one_decision_changes_of_the_largest_hold_the_whole_space(name):
    space = space_of(name)
    sandwich = Sandwich.of(space)
    found: dict[str, tuple[int, ...]] = {}
    for one in sandwich.all():
        for key, shape in shapes(one).items():
            found[key] = tuple(map(max, found.get(key, shape), shape))

    @given(st.tuples(*(st.integers(0, len(one.options) - 1) for one in space.decisions)))
    @settings(max_examples=8, deadline=None)
    def check(genotype):
        one = candidate(space, genotype)
        real = {key: tuple(value.shape) for key, value in _parameters(one).items()}
        assert shapes(one) == real
        assert holds(found, real)

    check()


def _parameters(one):
    """The parameters that a network really has, by place and name."""
    with torch.device("meta"):
        named = dict(build_quickly(one.arch).named_parameters())
    keys = {}
    for name, value in named.items():
        kind, _, rest = name.partition(".")
        index, _, inner = rest.partition(".")
        keys[f"{one.places[int(index)]}:{inner}" if kind == "blocks" else f"head:{rest}"] = value
    return keys


def build_quickly(arch):
    """A network without numbers."""
    from mobilenets.nn.network import Network

    return Network(arch)


def test_places_follow_a_space_that_is_limited_or_has_sides():
    space = space_of("mnasnet")
    sides = spaces.at_resolutions(space, (32, 64)).limited({"stage2.layers": [3], "resolution": [64]})
    genotype = tuple(0 for _ in sides.decisions)
    found = candidate(sides, genotype)
    assert len(found.places) == len(found.arch.blocks) == len(set(found.places))
    assert [one for one in found.places if one.startswith("stage2.")] == ["stage2.0", "stage2.1", "stage2.2"]


def test_what_the_weights_do_not_hold_is_refused(small):
    space, shared, sandwich, found = small
    wider = space_of("v3")
    large = candidate(wider, tuple(len(one.options) - 1 for one in wider.decisions))
    with pytest.raises(UsageError, match=r"but the shared weights have .*; train them for the space"):
        shared(large, torch.randn(2, 3, 32, 32))
    with pytest.raises(UsageError, match=r"blocks, but 1 places are named"):
        shared.weights(Candidate(found.arch, ("stage1.0",)))
    with pytest.raises(UsageError, match="does not say which blocks of its networks are the same"):
        Sandwich.of(spaces.width(find("mobilenet_v2")))
    assert holds(shapes(candidate(space, sandwich.largest)), shapes(candidate(space, sandwich.smallest)))
