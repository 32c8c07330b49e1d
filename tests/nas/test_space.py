"""Spaces of a user's own, and their sets of choices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenets.arch.zoo import find
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.nas.space import Decision, Space


def _build(values):
    return find("mobilenet_v2", width=values["width"], resolution=values["resolution"])


MINE = Space("mine", (Decision("width", (0.35, 0.5, 0.75)), Decision("resolution", (96, 128))), _build)


@st.composite
def spaces(draw) -> Space:
    """Spaces whose networks do not change when choices are sorted."""
    counts = draw(st.lists(st.integers(2, 4), min_size=1, max_size=5))
    decisions = tuple(Decision(f"d{k}", tuple(range(n))) for k, n in enumerate(sorted(counts)))
    return Space("s", decisions, _build, lambda genotype: tuple(sorted(genotype)))


cases = given(spaces(), st.integers(0, 2**32))


def test_a_few_lines_make_a_space():
    assert MINE.size == 6
    genotype = MINE.genotype({"width": 0.5, "resolution": 128})
    assert genotype == (1, 1)
    assert MINE.arch(genotype) == find("mobilenet_v2", width=0.5, resolution=128)
    assert MINE.values(genotype) == {"width": 0.5, "resolution": 128}


@settings(max_examples=50, deadline=None)
@cases
def test_samples_mutants_and_neighbours_are_of_the_space(space, seed):
    chance = np.random.default_rng(seed)
    one = space.sample(chance)
    space.check(one)
    assert space.genotype(space.values(one)) == one
    around = list(space.neighbours(one))
    assert len(set(around)) == sum(len(decision.options) - 1 for decision in space.decisions)
    assert all(sum(a != b for a, b in zip(one, other, strict=True)) == 1 for other in around)
    assert space.mutate(one, chance) in around


@settings(max_examples=50, deadline=None)
@cases
def test_a_code_tells_networks_apart_and_nothing_else(space, seed):
    chance = np.random.default_rng(seed)
    some = [space.sample(chance) for _ in range(8)]
    rows = space.encode(some)
    assert rows.shape == (8, sum(len(decision.options) for decision in space.decisions))
    assert (rows.sum(1) == len(space.decisions)).all()
    for i, one in enumerate(some):
        assert space.canonical(space.canonical(one)) == space.canonical(one)
        for j, other in enumerate(some):
            same = space.canonical(one) == space.canonical(other)
            assert same == (rows[i] == rows[j]).all()


def test_every_neighbour_is_a_mutant():
    chance = np.random.default_rng(0)
    assert {MINE.mutate((1, 1), chance) for _ in range(200)} == set(MINE.neighbours((1, 1)))


def test_a_limited_space_builds_the_same_networks():
    fewer = MINE.limited({"width": (0.75, 0.35)})
    assert fewer.size == 4
    assert fewer.arch((0, 1)) == MINE.arch((2, 1))


def test_a_limited_space_keeps_its_canonical_forms_inside():
    decisions = tuple(Decision(name, ("a", "b", "c")) for name in ("x", "y"))
    whole = Space("w", decisions, _build, lambda genotype: tuple(sorted(genotype)))
    fewer = whole.limited({"x": ("c", "a")})
    assert fewer.canonical((0, 0)) == (1, 2)  # c, a is a, c
    assert fewer.canonical((0, 1)) == (0, 1)  # c, b would be b, c, which is outside


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Decision("width", ()), "the decision 'width' has no options; give at least one"),
        (lambda: Decision("width", (1, 1)), "has an option twice"),
        (lambda: Space("none", (), _build), "the space 'none' is empty"),
        (lambda: Space("s", (Decision("a", (1,)), Decision("a", (2,))), _build), "names a decision twice"),
        (lambda: MINE.check((0, 2)), "are no choices of the space 'mine'"),
        (lambda: MINE.arch((0,)), "are no choices of the space 'mine'"),
        (lambda: MINE.genotype({"width": 0.5}), "resolution must be one of"),
        (lambda: MINE.limited({"width": (0.6,)}), "width must be of"),
        (lambda: MINE.limited({"width": ()}), "has no options"),
    ],
)
def test_mistakes_are_told(make, line):
    with pytest.raises(UsageError, match=line):
        make()


def test_an_unknown_decision_is_told():
    for call in (MINE.genotype, MINE.limited):
        with pytest.raises(UnknownName, match="no decision 'widht'; did you mean width"):
            call({"widht": (0.5,)})
