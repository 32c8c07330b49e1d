"""NetAdapt on networks whose quality is a known function of their widths."""

from dataclasses import replace
from math import exp
from pathlib import Path

import pytest

from mobilenets.arch import cost
from mobilenets.arch.heads import ssdlite
from mobilenets.arch.widths import narrowed, sharing, widths
from mobilenets.arch.zoo import find
from mobilenets.base.errors import BudgetError, UnknownName, UsageError
from mobilenets.nas.netadapt import Point, Rules, chosen, cuts, netadapt, proposals

ARCH = find("mobilenet_v2", 0.5, 64)
RULES = Rules()


def macs(arch):
    return float(cost(arch).macs)


def quality(arch):
    """Every width matters, some ten times as much as others."""
    total = 0.0
    for index, one in enumerate(widths(arch)):
        total += (1 + 9 * (index % 5 == 0)) * exp(-one.channels / 64)
    return total


def point(arch):
    loss = quality(arch)
    return Point(arch, macs(arch), exp(-loss), loss, Path("none"))


def adapted(arch=ARCH, share=0.6, rules=RULES, predict=macs, measure=macs, asked=None):
    def screen(number, parent, listed):
        return [quality(one.arch) for one in listed]

    def tune(number, parent, listed):
        if asked is not None:
            asked.append((number, [one.name for one in listed]))
        return [replace(point(one.arch), cost=one.cost) for one in listed]

    start = replace(point(arch), cost=measure(arch))
    return list(
        netadapt(start, share * start.cost, rules, predict=predict, measure=measure, screen=screen, tune=tune)
    )


def test_meets_the_budget_in_steps_that_fall():
    done = adapted(rules=Rules(step=0.1, decay=0.9, tuned=0))
    costs = [macs(ARCH), *(one.chosen.cost for one in done)]
    assert costs[-1] <= 0.6 * 1.01 * costs[0] < costs[-2]
    for index, one in enumerate(done):
        assert one.limit == pytest.approx(max(0.6 * costs[0], costs[index] - 0.1 * 0.9**index * costs[0]))
        assert one.chosen.cost <= one.limit


def test_beats_the_uniform_multiplier_where_widths_matter_differently():
    end = adapted(rules=Rules(tuned=0))[-1].chosen
    uniform = next(
        arch
        for width in range(50, 0, -1)
        if macs(arch := find("mobilenet_v2", width / 100, 64)) <= end.cost * 1.0
    )
    assert quality(end.arch) < quality(uniform)


def test_every_proposal_is_the_widest_that_fits():
    limit = 0.95 * macs(ARCH)
    listed = proposals(point(ARCH), limit, 8, macs)
    assert len(listed) >= 8
    present = {one.name: one.channels for one in widths(ARCH)}
    for one in listed:
        assert macs(one.arch) == one.cost <= limit
        if len(one.cut) == 1:
            ((name, channels),) = one.cut.items()
            assert channels % 8 == 0
            wider = min(channels + 8, present[name])
            assert wider == present[name] or macs(narrowed(ARCH, {name: wider})) > limit


def test_all_bottlenecks_of_a_resolution_are_proposed_together():
    together = [
        set(one.cut) for one in proposals(point(ARCH), 0.95 * macs(ARCH), 8, macs) if len(one.cut) > 1
    ]
    assert together
    assert all(any(names <= set(group) for group in sharing(ARCH)) for names in together)


def test_widths_cut_together_keep_their_proportion():
    found = cuts({"a": 64, "b": 32, "c": 8}, {"a": 8, "b": 8, "c": 8}, 8)
    assert found[0] == {"a": 56, "b": 24} or found[0] == {"a": 56}
    assert {"a": 32, "b": 16} in found
    assert found[-1] == {"a": 8, "b": 8}


def test_widths_that_are_no_multiple_become_one():
    assert cuts({"a": 30}, {"a": 8}, 8) == [{"a": 24}, {"a": 16}, {"a": 8}]


def test_works_for_heads_and_other_families():
    for arch in (
        ssdlite(find("mobilenet_v3_small", 0.5, 128), 3),
        find("mobilenet_v1", 0.5, 64),
        find("mobilenet_v4_conv_small", 1.0, 64),
    ):
        done = adapted(arch, 0.7, Rules(step=0.1, decay=1.0, tuned=3))
        assert done[-1].chosen.cost <= 0.7 * 1.01 * macs(arch)


def test_predictions_follow_the_last_measurement():
    """A table that is 30 % off, and a constant it does not know."""
    done = adapted(predict=lambda arch: 1.3 * macs(arch), measure=lambda arch: macs(arch) + 1e5)
    assert done[-1].chosen.cost <= 0.606 * (macs(ARCH) + 1e5)
    assert done[-1].chosen.cost == macs(done[-1].chosen.arch) + 1e5


def test_only_the_promising_are_fine_tuned():
    asked = []
    done = adapted(rules=Rules(tuned=4), asked=asked)
    assert [number for number, _ in asked] == [one.number for one in done]
    assert all(len(names) == 4 for _, names in asked)
    best = min(done[0].proposals, key=lambda one: quality(one.arch)).name
    assert best in asked[0][1]


def test_choice_by_ratio_and_by_quality():
    current = Point(ARCH, 100.0, 0.9, 0.5, Path("x"))
    little = Point(ARCH, 90.0, 0.88, 0.6, Path("x"))  # 0.2 points per unit
    much = Point(ARCH, 60.0, 0.86, 0.8, Path("x"))  # 0.1 points per unit
    tuned = {"little": little, "much": much}
    assert chosen(current, tuned, Rules(choice="ratio", judge="metric")) == "much"
    assert chosen(current, tuned, Rules(choice="quality", judge="metric")) == "little"
    assert chosen(current, tuned, Rules(choice="ratio", judge="loss")) == "much"
    better = Point(ARCH, 95.0, 0.91, 0.4, Path("x"))
    assert chosen(current, {**tuned, "better": better}, Rules(choice="ratio")) == "better"


def test_a_budget_below_the_narrowest_network():
    with pytest.raises(BudgetError, match="below what mobilenet_v2 costs with every width at its least"):
        adapted(share=0.01)


def test_steps_that_add_up_to_too_little():
    with pytest.raises(UsageError, match="cut 20 % in all, the budget needs 40 %"):
        adapted(rules=Rules(step=0.02, decay=0.9))


def test_steps_larger_than_any_single_cut_become_smaller():
    done = adapted(share=0.3, rules=Rules(step=0.6, decay=1.0, tuned=0))
    assert done[-1].chosen.cost <= 0.303 * macs(ARCH)


@pytest.mark.parametrize(
    ("given", "error"),
    [({"step": 0}, UsageError), ({"decay": 1.1}, UsageError), ({"choice": "best"}, UnknownName),
     ({"judge": "los"}, UnknownName), ({"tuned": -1}, UsageError)],
)  # fmt: skip
def test_refuses_rules_that_cannot_work(given, error):
    with pytest.raises(error):
        Rules(**given)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_cost_that_is_a_maximum_is_cut_in_several_places(name):
    """Where blocks tie, no single cut lowers the peak of activations; together they do."""

    def peak(arch):
        return float(cost(arch).peak_bytes)

    arch = find(name, 0.5, 96)
    rounds = adapted(arch, 0.5, predict=peak, measure=peak)
    assert rounds[-1].chosen.cost <= 0.5 * peak(arch) * (1 + RULES.tolerance)
    joint = [one for one in rounds if len(one.proposals) == 1 and one.name.startswith("first")]
    assert joint
    assert all(len(one.name) < 64 for one in joint)
