"""Sorting by fronts, beside comparing every two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenets.nas.reward import Outcome, front, hypervolume
from mobilenets.nas.strategies.pareto import crowding, fronts, survivors
from mobilenets.nas.strategies.strategy import Told

numbers = st.integers(0, 4)


def beats(one, other) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def by_hand(rows: list[tuple[int, ...]]) -> list[list[int]]:
    left, found = list(range(len(rows))), []
    while left:
        first = [k for k in left if not any(beats(rows[j], rows[k]) for j in left)]
        found.append(first)
        left = [k for k in left if k not in first]
    return found


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 3).flatmap(lambda d: st.lists(st.tuples(*[numbers] * d), min_size=1, max_size=25)))
def test_fronts_are_those_of_comparing_every_two(rows):
    table = np.array(rows, dtype=float)
    assert fronts(table, len(rows)) == by_hand(rows)
    few = fronts(table, 3)
    assert few == by_hand(rows)[: len(few)]
    assert sum(map(len, few)) >= min(3, len(rows)) > sum(map(len, few[:-1]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_the_front_of_outcomes_is_the_first(pairs):
    outcomes = [Outcome(float(a), (float(b),)) for a, b in pairs]
    found = front(outcomes)
    assert sorted(found) == by_hand([(a, -b) for a, b in pairs])[0]
    assert [outcomes[k].costs for k in found] == sorted(outcomes[k].costs for k in found)


def test_survivors_are_the_first_front_then_those_with_room():
    told = [Told(k, (k,), Outcome(float(q), (float(c),))) for k, (q, c) in
            enumerate([(1, 1), (2, 2), (2.1, 2.1), (9, 9), (0, 5), (0, 6)])]  # fmt: skip
    assert [trial.number for trial in survivors([*told, Told(9, (9,), None)], 5)] == [0, 3, 2, 1, 4]


def test_the_ends_of_a_front_have_room_without_end():
    room = crowding([Outcome(1.0, (1.0,)), Outcome(2.0, (3.0,)), Outcome(5.0, (5.0,))])
    assert room.tolist() == [np.inf, 2.0, np.inf]


@pytest.mark.parametrize(
    ("outcomes", "volume"),
    [
        ([], 0.0),
        ([Outcome(2.0, (1.0,))], 2.0 * 3),
        ([Outcome(2.0, (1.0,)), Outcome(3.0, (3.0,))], 2.0 * 3 + 1),
        ([Outcome(2.0, (9.0,))], 0.0),
        ([Outcome(2.0, (1.0, 3.0)), Outcome(1.0, (3.0, 1.0))], 2 * 3 * 1 + 1 * 1 * 3 - 1),
    ],
)
def test_hypervolume_is_that_of_the_union_of_boxes(outcomes, volume):
    worst = Outcome(0.0, (4.0, 4.0)[: len(outcomes[0].costs) if outcomes else 1])
    assert hypervolume(outcomes, worst) == pytest.approx(volume)
