"""Measuring the leaders again."""

import numpy as np

from mobilenets.nas.confirm import Confirm, part
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Decision, Space
from mobilenets.nas.strategies.strategy import Problem, Told, networks

SPACE = Space("s", tuple(Decision(f"d{k}", (0, 1, 2)) for k in range(4)), lambda values: None)
PROBLEM = Problem(SPACE)


def truth(genotype) -> float:
    return sum(genotype) + 0.5 * genotype[0] * genotype[3]


def explored(seed: int, noise: float = 1.0, problem: Problem = PROBLEM) -> tuple[Confirm, list[Told]]:
    """A noisy look at forty networks, then thirty evaluations of the leaders."""
    chance, confirm, told = np.random.default_rng(seed), Confirm(problem, seed), []
    every = networks(SPACE)
    for number in range(70):
        genotype = every[chance.integers(len(every))] if number < 40 else confirm.ask(number)
        value = truth(genotype) + noise * chance.standard_normal()
        told.append(Told(number, genotype, Outcome(value, (1.0 + sum(genotype),))))
        confirm.tell(told[-1])
    return confirm, told


def test_only_networks_that_were_told_are_measured_again():
    _, told = explored(0)
    seen = {trial.genotype for trial in told[:40]}
    assert {trial.genotype for trial in told[40:]} <= seen
    assert len({trial.genotype for trial in told[40:]}) > 1


def test_the_one_named_is_better_than_the_luckiest():
    named, lucky = [], []
    for seed in range(12):
        confirm, told = explored(seed)
        best = max(truth(trial.genotype) for trial in told[:40])
        named.append(best - truth(confirm.named()))
        lucky.append(best - truth(max(told[:40], key=lambda trial: trial.outcome.quality).genotype))
    assert np.mean(named) < 0.6 * np.mean(lucky)


def test_a_new_one_that_is_told_the_same_goes_on_as_the_old_one():
    confirm, told = explored(3)
    again = Confirm(PROBLEM, 3)
    for trial in told:
        again.tell(trial)
    pending = [told[-1].genotype]
    assert [again.ask(n, pending) for n in range(70, 80)] == [confirm.ask(n, pending) for n in range(70, 80)]
    assert again.named() == confirm.named()


def test_costs_count_and_failures_do_not():
    confirm, told = explored(1, noise=0.01, problem=Problem(SPACE, Reward("hard", (6.0,))))
    assert 1.0 + sum(confirm.named()) <= 6.0
    confirm.tell(Told(70, told[0].genotype, None))
    assert confirm.named() is not None
    nothing = Confirm(PROBLEM)
    nothing.tell(Told(0, (0, 0, 0, 0), None))
    assert nothing.ask(1) is None
    assert nothing.named() is None


def test_part_of_a_budget():
    assert [part(total) for total in (1, 4, 5, 200)] == [0, 0, 2, 80]
