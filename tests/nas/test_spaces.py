"""Search spaces: what they hold, which choices mean the same network, and JSON."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenets.arch import cost, lower
from mobilenets.arch.spec import Conv, Inverted
from mobilenets.arch.zoo import find
from mobilenets.base.errors import MobilenetsError, UnknownName, UsageError
from mobilenets.nas import spaces
from mobilenets.nas.parts import Part, composed
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Decision
from mobilenets.nas.spaces import HOMES, SPACES, at_resolutions, space_around
from mobilenets.nas.strategies import DEFAULT, strategy
from mobilenets.nas.strategies.strategy import Problem, Told

SEEDS = [(name, seed) for name in SPACES for seed in HOMES.get(name, ("mobilenet_v2", "mobilenet_v3_small"))]


def around(name, seed):
    return space_around(name, find(seed, resolution=64, classes=10))


def computes(arch):
    """What a network does, without its name."""
    return [(layer.ops, layer.residual) for layer in lower(arch)]


@pytest.mark.parametrize(("name", "seed"), SEEDS)
@settings(max_examples=25, deadline=None)
@given(number=st.integers(0, 2**32 - 1))
def test_canonical_choices_compute_the_same_and_stand_for_themselves(name, seed, number):
    space = around(name, seed)
    drawn = space.sample(np.random.default_rng(number))
    found = space.canonical(drawn)
    assert space.canonical(found) == found
    assert computes(space.arch(found)) == computes(space.arch(drawn))
    assert space.genotype(space.values(found)) == found


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_neighbours_are_one_network_if_and_only_if_they_compute_the_same(name, seed):
    space, chance = around(name, seed), np.random.default_rng(1)
    seen = {True: 0, False: 0}
    for _ in range(3):
        drawn = space.canonical(space.sample(chance))
        own = computes(space.arch(drawn))
        for other in space.neighbours(drawn):
            same = computes(space.arch(other)) == own
            assert (space.canonical(other) == drawn) == same, (drawn, other)
            seen[same] += 1
    assert seen[False] > 3
    assert seen[True] or name in ("width", "resolution")


def test_every_way_to_say_a_stage_of_mnasnet_is_found():
    """All 288 choices of a stage: as many canonical ones as there are different networks."""
    space = around("mnasnet", "mobilenet_v2")
    counts = [len(decision.options) for decision in space.decisions]
    at = next(k for k, one in enumerate(space.decisions) if one.name == "stage3.operation")
    rest = space.canonical(space.sample(np.random.default_rng(0)))
    networks, canonical = set(), set()
    for local in product(*(range(count) for count in counts[at : at + 6])):
        genotype = (*rest[:at], *local, *rest[at + 6 :])
        networks.add(repr(computes(space.arch(genotype))))
        canonical.add(space.canonical(genotype))
    assert len(networks) == len(canonical) < 288


def test_mnasnets_space_holds_v2_and_its_words_mean_what_they_say():
    seed = find("mobilenet_v2", resolution=64, classes=10)
    space = space_around("mnasnet", seed)
    table = zip((16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1), strict=True)  # of the paper
    values = {}
    for number, (filters, layers) in enumerate(table, 1):
        own = {"operation": "bottleneck6" if number > 1 else "separable", "kernel": 3, "squeeze": 0,
               "skip": "identity", "filters": filters, "layers": layers}  # fmt: skip
        values |= {f"stage{number}.{key}": option for key, option in own.items()}
    assert cost(space.build(values)).macs == cost(seed).macs
    assert computes(space.build(values)) == computes(seed)
    other = values | {"stage2.operation": "conv", "stage4.squeeze": 0.25, "stage4.filters": 80}
    blocks = space.build(other).blocks
    assert [type(block) for block in blocks[2:4]] == [Conv, Conv]
    squeezed = [block for block in blocks if isinstance(block, Inverted) and block.squeeze]
    assert [(block.out, block.squeeze) for block in squeezed] == [(80, 8), (80, 20), (80, 20), (80, 20)]


def test_strides_can_be_chosen_where_the_seed_has_any():
    space = space_around("v3_strides", find("mobilenet_v3_small", None, 64))
    names = [one.name for one in space.decisions if one.name.endswith("stride")]
    assert names == [f"stage{k}.stride" for k in (1, 2, 3, 5)]
    sides = {}
    for name, option in ((None, None), *((name, 1) for name in names)):
        layers = lower(space.build({**space.start, name: option} if name else space.start))
        sides[name] = [layer.side for layer in layers[:-1]]
    assert sides[None] == [layer.side for layer in lower(space.seed)[:-1]]
    assert sides["stage5.stride"] == [*sides[None][:9], 4, 4, 4, 4]
    assert sides["stage1.stride"] == [32, 32, *(2 * side for side in sides[None][2:])]


@pytest.mark.parametrize(
    ("name", "home", "exact"),
    [("mnasnet", "mobilenet_v2", True), ("v4", "mobilenet_v4_conv_small", True),
     ("mnasnet", "mnasnet_small", False), ("v3", "mobilenet_v3_small", False),
     ("v3", "mobilenet_v3_large", False), ("v3_strides", "mobilenet_v3_small", False)],
)  # fmt: skip
def test_a_search_can_begin_at_the_seed(name, home, exact):
    """By options where the space holds it; V3's expansions are no whole numbers everywhere."""
    seed = find(home, None, 64)
    space = space_around(name, seed)
    start = space.arch(space.genotype(space.start))
    assert len(start.blocks) == len(seed.blocks)
    assert [block.out for block in start.blocks] == [block.out for block in seed.blocks]
    assert cost(start).macs == pytest.approx(cost(seed).macs, rel=1e-9 if exact else 0.03)
    assert cost(start).params == pytest.approx(cost(seed).params, rel=1e-9 if exact else 0.03)


def test_the_side_nearest_to_the_seeds_is_where_a_search_begins():
    space = at_resolutions(space_around("v3", find("mobilenet_v3_small", None, 64)), (32, 80, 128))
    assert space.start["resolution"] == 80


def test_v3s_space_holds_hard_swish_only_where_it_is_chosen():
    space = around("v3", "mobilenet_v3_small")
    chosen = dict.fromkeys(one.name for one in space.decisions)
    values = {name: next(d for d in space.decisions if d.name == name).options[0] for name in chosen}
    arch = space.build(
        values | {"stage2.activation": "hardswish", "stage2.0.kernel": 7, "stage2.0.squeeze": 1}
    )
    inverted = [block for block in arch.blocks if isinstance(block, Inverted)]
    assert [block.activation for block in inverted].count("hardswish") == values["stage2.layers"]
    assert next(block for block in inverted if block.kernel == 7).squeeze > 0


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_json_gives_the_same_space_back(name, seed):
    space = around(name, seed)
    chance = np.random.default_rng(2)
    first = space.decisions[0]
    small = space.limited({first.name: first.options[:1]}) if len(first.options) > 2 else space
    for one in (space, small):
        again = spaces.loads(spaces.dumps(one))
        drawn = one.sample(chance)
        assert (again.name, again.decisions, again.seed) == (one.name, one.decisions, one.seed)
        assert again.arch(drawn) == one.arch(drawn)
        assert again.canonical(drawn) == one.canonical(drawn)


def test_the_side_can_be_chosen_too():
    space = at_resolutions(around("v3", "mobilenet_v3_small"), (48, 64))
    again = spaces.loads(spaces.dumps(space))
    drawn = space.sample(np.random.default_rng(3))
    assert again.arch(drawn) == space.arch(drawn)
    assert space.arch(drawn).resolution == (48, 64)[drawn[-1]]
    assert space.canonical(drawn)[-1] == drawn[-1]


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_the_default_strategy_searches_it(name, seed):
    space = around(name, seed)
    searcher = strategy(DEFAULT, Problem(space, Reward("hard", (5e6,)), lambda one: (price(space, one),)))
    seen = []
    for number in range(6 if space.size > 6 else 3):
        seen.append(searcher.ask(number))
        outcome = Outcome(cost(space.arch(seen[-1])).params / 1e7, (price(space, seen[-1]),))
        searcher.tell(Told(number, seen[-1], outcome))
    assert len(set(seen)) == len(seen)


def price(space, genotype):
    """MACs of a network."""
    return float(cost(space.arch(genotype)).macs)


def test_widths_are_those_of_the_papers():
    space = around("width", "mobilenet_v2")
    for index, share in enumerate((0.35, 0.5, 0.75, 1.0)):
        assert space.arch((index,)) == find("mobilenet_v2", share, 64, 10)
    fixed = around("width", "mobilenet_v4_conv_small")
    assert cost(fixed.arch((0,))).macs < cost(fixed.arch((3,))).macs


def test_a_space_of_ones_own_is_a_few_lines():
    seed = find("mobilenet_v2", resolution=32, classes=2)
    part = Part(
        (Decision("kernel", (3, 5)), Decision("repeats", (1, 2))),
        lambda chosen, channels: (Conv(chosen[0], 16, 2), *[Conv(chosen[0], 16)] * (chosen[1] - 1)),
    )
    space = composed("mine", seed, [part])
    assert [len(space.arch((0, k)).blocks) for k in (0, 1)] == [1, 2]
    with pytest.raises(UsageError, match="only these have JSON"):
        spaces.dumps(space)


DOCUMENT = spaces.document(around("v3", "mobilenet_v3_small"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema"),
        ({"space": "v5"}, "v5"),
        ({"space": 5}, "space"),
        ({"seed": {}}, "schema"),
        ({"options": []}, "options"),
        ({"options": {"stage1.kernels": [3]}}, "stage1.kernels"),
        ({"options": {"stage1.0.kernel": [9]}}, "9"),
        ({"options": {"stage1.0.kernel": []}}, "no options"),
        ({"options": {"stage1.0.kernel": 3}}, "stage1.0.kernel"),
        ({"space": "v4"}, "mobilenet_v4_conv_small"),
        ({"more": 1}, "more"),
    ],
)
def test_bad_json_is_one_clear_line(change, message):
    with pytest.raises(MobilenetsError, match=message) as caught:
        spaces.loads(json.dumps(DOCUMENT | change))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_a_seed_is_refused():
    with pytest.raises(UsageError, match="has no stage that the space 'mnasnet' knows"):
        space_around("mnasnet", find("mobilenet_v1"))
    with pytest.raises(UnknownName, match="mnasnett"):
        space_around("mnasnett", find("mobilenet_v2"))
    from mobilenets.arch.heads import with_head

    with pytest.raises(UsageError, match="around a classifier"):
        space_around("mnasnet", with_head(find("mobilenet_v2"), "detect", 3))
