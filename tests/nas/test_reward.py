"""Rewards beside their papers' formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.nas.reward import Reward

positive = st.floats(0.01, 100)


@given(positive, positive, positive)
def test_soft_is_mnasnets(quality, cost, target):
    wanted = quality * (cost / target) ** -0.07
    assert Reward("soft", (target,)).of(quality, (cost,)) == pytest.approx(wanted)


@given(positive, positive, positive)
def test_hard_punishes_above_the_target_alone(quality, cost, target):
    wanted = quality if cost <= target else quality * target / cost
    assert Reward("hard", (target,)).of(quality, (cost,)) == pytest.approx(wanted)


@given(st.floats(0, 1), positive, positive)
def test_absolute_is_tunass(quality, cost, target):
    wanted = quality - 0.1 * abs(cost / target - 1)
    assert Reward("absolute", (target,)).of(quality, (cost,)) == pytest.approx(wanted)


def test_twice_the_latency_is_worth_five_percent():
    reward = Reward("soft", (80.0,))
    assert reward.of(0.7, (160.0,)) == pytest.approx(reward.of(0.7 * 0.95, (80.0,)), rel=0.01)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [("soft", 0.8 * 4**-0.07 * 0.5**-0.07), ("hard", 0.2), ("absolute", 0.8 - 0.3 - 0.05), ("quality", 0.8)],
)
def test_several_targets_multiply_or_add(form, wanted):
    assert Reward(form, (1.0, 2.0)).of(0.8, (4.0, 1.0)) == pytest.approx(wanted)


@given(
    st.sampled_from(["soft", "hard", "absolute"]),
    st.lists(st.tuples(positive, positive, positive), min_size=1),
)
def test_a_line_is_the_reward_of_many(form, rows):
    reward, table = Reward(form, (3.0, 2.0)), np.array(rows)
    offset, factor = reward.line(table[:, 1:])
    first, second = table[:, 1] / 3, table[:, 2] / 2
    wanted = {
        "soft": table[:, 0] * (first * second) ** -0.07,
        "hard": table[:, 0] / (first.clip(1) * second.clip(1)),
        "absolute": table[:, 0] - 0.1 * (abs(first - 1) + abs(second - 1)),
    }[form]
    np.testing.assert_allclose(offset + factor * table[:, 0], wanted)


def test_fitting_is_every_cost_within_its_target():
    reward = Reward("soft", (1.0, 2.0))
    assert reward.fits((1.0, 2.0))
    assert not reward.fits((1.0, math.nextafter(2.0, 3)))


def test_what_rewards_the_wrong_thing_is_refused():
    with pytest.raises(UnknownName, match="no reward 'sofd'; did you mean soft"):
        Reward("sofd")
    with pytest.raises(UsageError, match="targets must be above 0"):
        Reward("soft", (0.0,))
    with pytest.raises(UsageError, match=r"the weight of a cost must be from -10 to 0, got 0\.07"):
        Reward("soft", (1.0,), 0.07)
    with pytest.raises(UsageError, match="there are 1 targets, but 2 costs"):
        Reward("soft", (1.0,)).of(1.0, (1.0, 2.0))
