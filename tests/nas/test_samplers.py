"""Optuna's samplers by ask and tell: they propose what Optuna does, and go on from what they were told."""

import builtins

import numpy as np
import pytest

from mobilenets.base.errors import MissingPackage
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Decision, Space
from mobilenets.nas.strategies.random import Random
from mobilenets.nas.strategies.samplers import POPULATION, Nsga2, Tpe
from mobilenets.nas.strategies.strategy import Problem, Told

optuna = pytest.importorskip("optuna")
KINDS = (Tpe, Nsga2)
COUNTS = (4, 2, 1, 3, 5, 2, 3, 2, 3, 4, 2, 3)


def problem(counts=COUNTS, simplify=lambda genotype: genotype):
    decisions = tuple(Decision(f"d{k}", tuple(range(count))) for k, count in enumerate(counts))
    return Problem(Space("choices", decisions, lambda values: None, simplify), Reward("quality"))


def worth(genotype):
    """A sum of effects of choices."""
    chance = np.random.default_rng(8)
    return float(sum(chance.normal(size=count)[one] for one, count in zip(genotype, COUNTS, strict=True)))


def search(strategy, trials, first=0):
    for number in range(first, first + trials):
        found = strategy.ask(number)
        strategy.tell(Told(number, found, None if number % 7 == 5 else Outcome(worth(found))))
    return strategy.told


def alone(kind, seed):
    """Optuna's sampler with its defaults."""
    name = {Tpe: "TPESampler", Nsga2: "NSGAIISampler"}[kind]
    return getattr(optuna.samplers, name)(seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_proposes_what_optuna_does(kind):
    strategy, study = kind(problem(), 3), optuna.create_study(direction="maximize")
    distributions = {
        f"d{k}": optuna.distributions.CategoricalDistribution(tuple(range(count)))
        for k, count in enumerate(COUNTS)
    }
    same = learnt = 0
    for number in range(POPULATION + 20):
        study.sampler = alone(kind, int(strategy.chance(number).integers(2**32)))
        trial = study.ask(distributions)
        theirs = tuple(trial.params.values())
        # the first of a generation sees its parents in another order, as `Nsga2.tell` says
        if theirs not in strategy.known and not (kind is Nsga2 and number == POPULATION):
            assert strategy.ask(number) == theirs
            same += 1
            learnt += number > POPULATION
        study.tell(trial, worth(theirs))
        strategy.tell(Told(number, theirs, Outcome(worth(theirs))))
    assert same > POPULATION
    assert learnt > 10


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_as_before_when_told_the_same(kind):
    one, other = kind(problem(), 7), kind(problem(), 7)
    for trial in search(one, POPULATION + 15):
        other.tell(trial)
    assert [one.ask(number) for number in (65, 66)] == [other.ask(number) for number in (65, 66)]
    assert search(one, 5, first=65) == search(other, 5, first=65)


@pytest.mark.parametrize("kind", KINDS)
def test_learns_what_is_better_than_random(kind):
    best = {}
    for strategy in (kind, Random):
        runs = [search(strategy(problem(), seed), 150) for seed in range(2)]
        best[strategy] = np.mean([max(worth(trial.genotype) for trial in told) for told in runs])
    assert best[kind] > best[Random] + 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_proposals_are_canonical_and_new_while_there_are_any(kind):
    even = problem((2, 3, 1, 4), lambda one: (*one[:3], 0) if one[0] == 0 else one)  # 3 + 12 networks
    strategy = kind(even, 0)
    for number in range(14):
        found = strategy.ask(number)
        assert found == even.space.canonical(found)
        assert found not in strategy.known
        strategy.tell(Told(number, found, Outcome(float(sum(found)))))
    last = strategy.ask(14)
    assert last not in strategy.known
    strategy.tell(Told(14, last, None))
    assert strategy.ask(15, [last]) in strategy.known


@pytest.mark.parametrize("kind", KINDS)
def test_optuna_talks_as_loudly_as_the_user_likes(kind, capfd):
    before = optuna.logging.get_verbosity()
    try:
        optuna.logging.set_verbosity(optuna.logging.DEBUG)
        strategy = kind(problem(), 0)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
        search(strategy, 12)
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_package_is_one_line(kind, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "optuna":
            raise ImportError("No module named 'optuna'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        MissingPackage, match=r"^optuna cannot be imported .*pip install 'mobilenets\[search\]'$"
    ):
        kind(problem(), 0)
