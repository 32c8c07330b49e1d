"""The contract that every strategy keeps."""

import numpy as np
import pytest

from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Decision, Genotype, Space
from mobilenets.nas.strategies import DEFAULT, STRATEGIES, strategy
from mobilenets.nas.strategies.strategy import Problem, Strategy, Told, networks

every = pytest.mark.parametrize("name", sorted(STRATEGIES))


def _refuse(values):
    raise AssertionError("a strategy builds nothing")


def _ordered(genotype: Genotype) -> Genotype:
    """The first two decisions may change places."""
    return (*sorted(genotype[:2]), *genotype[2:])


SMALL = Space(
    "small", tuple(Decision(f"d{k}", tuple(range(n))) for k, n in enumerate((3, 3, 2, 4))), _refuse, _ordered
)
MIDDLE = Space("middle", tuple(Decision(f"d{k}", tuple(range(4))) for k in range(6)), _refuse)
LARGE = Space(
    "large", tuple(Decision(f"d{k}", tuple(range(2 + k % 4))) for k in range(24)), _refuse, _ordered
)
PROBLEM = Problem(SMALL, Reward("soft", (5.0,)))


def evaluated(genotype: Genotype) -> Outcome:
    """The more of every choice, the better and the dearer."""
    return Outcome(sum(genotype) + genotype[0] * genotype[-1] / 4, (1.0 + sum(genotype),))


def worth(outcome: Outcome, problem: Problem) -> float:
    return problem.reward.of(outcome.quality, outcome.costs)


def searched(searcher: Strategy, trials: int, fails=lambda number: False) -> list[Told]:
    """A search by one worker."""
    for number in range(len(searcher.told), trials):
        genotype = searcher.ask(number)
        searcher.tell(Told(number, genotype, None if fails(number) else evaluated(genotype)))
    return searcher.told


@every
def test_the_same_seed_proposes_the_same(name):
    first, second, other = (searched(strategy(name, PROBLEM, seed), 30) for seed in (4, 4, 5))
    assert first == second
    assert first != other


@every
@pytest.mark.parametrize("space", [SMALL, LARGE], ids=lambda space: space.name)
def test_one_that_is_told_the_same_goes_on_as_the_old_one(name, space):
    problem = Problem(space, Reward("soft", (5.0,)))
    whole = searched(strategy(name, problem, 1), 34, fails=lambda number: number % 7 == 3)
    again = strategy(name, problem, 1)
    for trial in whole[:25]:
        again.tell(trial)
    assert searched(again, 34, fails=lambda number: number % 7 == 3) == whole


@every
def test_several_workers_may_end_in_any_order(name):
    searcher, again = strategy(name, PROBLEM, 2), strategy(name, PROBLEM, 2)
    chance, running, told = np.random.default_rng(0), {}, []
    for number in range(40):
        running[number] = searcher.ask(number, [*running.values()])
        assert running[number] not in [trial.genotype for trial in told]
        assert len({*running.values()}) == len(running)
        if len(running) == 4:
            ended = int(chance.choice(list(running)))
            told.append(Told(ended, running[ended], evaluated(running.pop(ended))))
            searcher.tell(told[-1])
    for trial in told:
        again.tell(trial)
    assert again.ask(40, [*running.values()]) == searcher.ask(40, [*running.values()])


@every
def test_a_small_space_is_used_up_before_anything_comes_twice(name):
    distinct = networks(SMALL)
    trials = searched(strategy(name, PROBLEM, 0), len(distinct) + 3)
    found = [trial.genotype for trial in trials]
    assert set(found) == set(distinct)
    assert len(set(found[: len(distinct)])) == len(distinct)
    assert all(SMALL.canonical(one) == one for one in found)


@every
def test_a_large_space_gets_canonical_proposals_that_are_new(name):
    problem = Problem(LARGE, Reward("soft", (20.0,)), costs=lambda one: evaluated(one).costs)
    found = [trial.genotype for trial in searched(strategy(name, problem, 0), 60)]
    assert len(set(found)) == 60
    assert all(LARGE.canonical(one) == one for one in found)
    LARGE.check(found[-1])


@every
def test_failures_are_tolerated(name):
    assert len(searched(strategy(name, PROBLEM, 0), 20, fails=lambda number: True)) == 20
    half = searched(strategy(name, PROBLEM, 0), 50, fails=lambda number: number % 2 == 0)
    assert max(worth(trial.outcome, PROBLEM) for trial in half if trial.outcome) > 0


@every
@pytest.mark.parametrize("form", ["quality", "soft", "hard", "absolute"])
def test_every_reward_is_searched_for(name, form):
    problem = Problem(SMALL, Reward(form, () if form == "quality" else (5.0,)))
    assert len({trial.genotype for trial in searched(strategy(name, problem, 0), 25)}) == 25


@every
def test_one_network_is_nothing_to_search(name):
    space = Space("one", (Decision("only", (1,)),), _refuse)
    with pytest.raises(UsageError, match="holds one network; there is nothing to search"):
        strategy(name, Problem(space))


@pytest.mark.parametrize("name", sorted({"bayes", "local", "evolution", "mnasnet", "tpe"} & {*STRATEGIES}))
def test_they_find_better_networks_than_chance(name):
    problem = Problem(LARGE)
    best, plain = (
        np.mean(
            [max(worth(t.outcome, problem) for t in searched(strategy(one, problem, s), 90)) for s in (0, 1)]
        )
        for one in (name, "random")
    )
    assert best > plain + 1


def test_the_default_finds_the_best_network_of_a_large_space():
    problem = Problem(LARGE, Reward("quality"))
    best = evaluated(tuple(len(one.options) - 1 for one in LARGE.decisions)).quality
    assert max(trial.outcome.quality for trial in searched(strategy(DEFAULT, problem, 0), 100)) > 0.97 * best


@pytest.mark.parametrize("known", [False, True], ids=["costs with outcomes", "costs asked"])
@pytest.mark.parametrize("form", ["soft", "hard", "absolute"])
def test_the_default_finds_the_best_reward(form, known):
    problem = Problem(MIDDLE, Reward(form, (9.0,)), (lambda one: evaluated(one).costs) if known else None)
    best = max(worth(evaluated(one), problem) for one in networks(MIDDLE))
    found = searched(strategy(DEFAULT, problem, 0), 60)
    assert max(worth(trial.outcome, problem) for trial in found) >= 0.98 * best


def test_an_unknown_name_is_told():
    with pytest.raises(UnknownName, match="no strategy 'baies'; did you mean bayes"):
        strategy("baies", PROBLEM)


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_known_not_to_fit_is_not_tried_where_only_what_fits_is_wanted(name):
    """Of 4^10 networks 0.2 % fit; with the soft reward anything may be tried."""
    wide = Space("wide", tuple(Decision(f"d{k}", tuple(range(4))) for k in range(10)), lambda _: None)

    def price(genotype):
        """What a network costs."""
        return (float(sum(genotype)),)

    tried = {}
    for form in ("hard", "soft"):
        strategy = STRATEGIES[name](Problem(wide, Reward(form, (5.0,)), price), 0)
        tried[form] = []
        for number in range(12):
            genotype = strategy.ask(number)
            tried[form].append(price(genotype)[0])
            strategy.tell(Told(number, genotype, Outcome(0.1 * sum(genotype), price(genotype))))
    assert max(tried["hard"]) <= 5
    assert max(tried["soft"]) > 5


def _inert(genotype: Genotype) -> Genotype:
    """Of a switch that is off, the choices do not matter."""
    return tuple(
        choice if place % 2 == 0 or genotype[place - 1] else 0 for place, choice in enumerate(genotype)
    )


SWITCHED = Space(
    "switched",
    tuple(Decision(f"d{k}", (0, 1) if k % 2 == 0 else (0, 1, 2, 3)) for k in range(12)),
    _refuse,
    _inert,
)


@every
@pytest.mark.parametrize("broken", [20, 45, 57])
def test_nothing_that_only_saves_time_decides(name, broken):
    """A strategy that is made anew has asked nothing yet: neither caches nor used-up places may matter."""
    problem = Problem(SWITCHED, Reward("quality"))
    whole = searched(strategy(name, problem, 1), 60)
    again = strategy(name, problem, 1)
    for trial in whole[:broken]:
        again.tell(trial)
    assert searched(again, 60) == whole
