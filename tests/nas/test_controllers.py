"""The two policies: what they draw, how they learn, and that they are functions of what they were told."""

from collections import Counter
from itertools import pairwise
from math import log

import numpy as np
import pytest
import torch

from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Decision, Space
from mobilenets.nas.strategies.mnasnet import BATCH, CLIP, ENTROPY, MnasNet, Policy, advantages, ppo_loss
from mobilenets.nas.strategies.random import Random
from mobilenets.nas.strategies.reinforce import Reinforce, chosen
from mobilenets.nas.strategies.strategy import Problem, Told

COUNTS = (4, 2, 3, 1, 5, 3, 4, 2)
POLICIES = (MnasNet, Reinforce)


def problem(counts=COUNTS):
    """A space without networks, whose quality is that of `worth`."""
    decisions = tuple(Decision(f"d{k}", tuple(range(count))) for k, count in enumerate(counts))
    return Problem(Space("choices", decisions, lambda values: None), Reward("quality"))


def worth(genotype):
    """Largest for the last options, with neighbours that have to agree."""
    effect = sum(index / count for index, count in zip(genotype, COUNTS, strict=True))
    return effect + 0.3 * sum((a > 0) == (b > 0) for a, b in pairwise(genotype))


def search(strategy, trials, fails=lambda number: False, first=0):
    """What was told."""
    for number in range(first, first + trials):
        found = strategy.ask(number)
        strategy.tell(Told(number, found, None if fails(number) else Outcome(worth(found))))
    return strategy.told


def perturbed(policy, size=1.0):
    """The policy with weights at random, so that options differ."""
    chance = np.random.default_rng(5)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.copy_(torch.from_numpy(chance.normal(0, size, tuple(parameter.shape))))
    return policy


@pytest.mark.parametrize("kind", POLICIES)
def test_goes_on_as_before_when_told_the_same(kind):
    one, told = kind(problem(), 7), search(kind(problem(), 7), 25, lambda number: number % 9 == 4)
    for trial in told[::-1]:  # any order of ends
        one.tell(trial)
    other = kind(problem(), 7)
    for trial in told[::-1]:
        other.ask(trial.number, [told[0].genotype])  # asking leaves no trace
        other.tell(trial)
    if kind is MnasNet:
        pairs = zip(one.policy.parameters(), other.policy.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    else:
        assert np.array_equal(one.logits, other.logits)
    assert [one.ask(number) for number in range(25, 35)] == [other.ask(number) for number in range(25, 35)]
    assert search(one, 10, first=25) == search(other, 10, first=25)


@pytest.mark.parametrize("kind", POLICIES)
def test_seeds_differ_and_the_global_generators_are_left_alone(kind):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 - what is not to be touched
    before = torch.random.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    runs = [[trial.genotype for trial in search(kind(problem(), seed), 2 * BATCH)] for seed in (0, 1)]
    assert runs[0] != runs[1]
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("kind", POLICIES)
def test_learns_what_is_better_than_random(kind):
    best = {}
    for strategy in (kind, Random):
        runs = [search(strategy(problem(), seed), 70) for seed in range(3)]
        best[strategy] = np.mean([max(worth(trial.genotype) for trial in told) for told in runs])
    top = worth([count - 1 for count in COUNTS[:3]] + [0] + [count - 1 for count in COUNTS[4:]])
    assert top - best[kind] < 0.5 * (top - best[Random])


@pytest.mark.parametrize("kind", POLICIES)
def test_failed_trials_teach_and_do_no_harm(kind):
    strategy = kind(problem(), 1)
    search(strategy, 20, lambda number: True)
    assert len(strategy.known) == 20
    for number in range(20, 80):  # the first decision decides whether a network works
        found = strategy.ask(number)
        strategy.tell(Told(number, found, Outcome(worth(found)) if found[0] == 2 else None))
    late = [trial.genotype[0] for trial in strategy.told[-20:]]
    assert late.count(2) > 10


@pytest.mark.parametrize("kind", POLICIES)
def test_every_network_is_proposed_once_before_any_is_again(kind):
    strategy = kind(problem((2, 3, 2)), 0)
    for number in range(12):
        found = strategy.ask(number)
        strategy.tell(Told(number, found, Outcome(float(sum(found)))))
    assert len(strategy.known) == 12
    assert strategy.ask(12) in strategy.known


def test_the_policy_begins_even():
    choices = torch.tensor([[3, 1, 2, 0, 4, 2, 3, 1]])
    found = Policy(COUNTS, 0)(choices).exp()[0]
    for row, count in zip(found.detach().numpy(), COUNTS, strict=True):
        assert row == pytest.approx([1 / count] * count + [0.0] * (max(COUNTS) - count))


def test_the_policy_draws_as_its_probabilities_say():
    counts = (3, 1, 2, 4)
    policy = perturbed(Policy(counts, 0))
    every = torch.tensor(np.stack(np.meshgrid(*map(range, counts), indexing="ij"), -1).reshape(-1, 4))
    logs = policy(every).gather(2, every[..., None])[..., 0].sum(1)
    likely = logs.exp().detach().numpy()
    assert likely.sum() == pytest.approx(1, abs=1e-12)
    drawn = Counter(policy.draw(np.random.default_rng(0), 20_000))
    seen = np.array([drawn[tuple(one)] for one in every.tolist()])
    assert seen.sum() == 20_000
    some = likely > 5e-4
    chi = float(((seen - 20_000 * likely)[some] ** 2 / (20_000 * likely[some])).sum())
    assert some.sum() > 8
    assert chi < 2.5 * some.sum()
    assert len(set(np.round(likely, 6))) > 12  # no even policy, which would hide a mistake


def test_a_softer_policy_draws_what_is_unlikely_more_often():
    policy = perturbed(Policy(COUNTS, 0))
    kinds = [len(set(policy.draw(np.random.default_rng(0), 500, softening))) for softening in (0.5, 1.0, 3.0)]
    assert kinds == sorted(set(kinds))


def test_later_choices_depend_on_earlier_ones_only():
    policy = perturbed(Policy(COUNTS, 0))
    one, other = torch.tensor([[0] * 8, [0, 0, 2, 0, 0, 0, 0, 0]])
    difference = (policy(one[None]) - policy(other[None])).nan_to_num().abs().amax((0, 2))
    assert (difference[:3] == 0).all()
    assert difference[4] > 0


def test_chosen_takes_every_present_option_and_no_other():
    logits = np.log([[0.25, 0.75, 1e-300], [0.5, 0.5, 1e-300]])
    logits[:, 2] = -np.inf
    for uniform, wanted in ((0.0, [0, 0]), (0.3, [1, 0]), (0.5, [1, 1]), (1 - 2**-53, [1, 1])):
        assert chosen(logits, np.full((2, 1), uniform)).tolist() == wanted


def test_the_loss_is_the_one_counted_by_hand():
    # two trials of one decision with two options; before, both were even
    before = torch.full((2, 1, 2), log(0.5), dtype=torch.float64)
    now = torch.tensor([[[log(0.8), log(0.2)]], [[log(0.45), log(0.55)]]], dtype=torch.float64)
    choices, value = torch.tensor([[0], [1]]), torch.tensor([2.0, -1.0], dtype=torch.float64)
    gain = ((1 + CLIP) * 2.0 + 1.1 * -1.0) / 2  # 1.6 is clipped, 1.1 is not
    entropy = -(0.8 * log(0.8) + 0.2 * log(0.2) + 0.45 * log(0.45) + 0.55 * log(0.55)) / 2
    assert float(ppo_loss(now, before, choices, value)) == pytest.approx(-gain - ENTROPY * entropy)


def test_the_loss_stops_where_a_step_went_far_enough():
    before = torch.full((1, 1, 2), log(0.5), dtype=torch.float64)
    for logit, value, moves in ((1.0, 1.0, False), (1.0, -1.0, True), (-1.0, -1.0, False), (-1.0, 1.0, True)):
        logits = torch.tensor([[[logit, 0.0]]], dtype=torch.float64, requires_grad=True)
        now = torch.log_softmax(logits, -1)
        ppo_loss(now, before, torch.tensor([[0]]), torch.tensor([value], dtype=torch.float64)).backward()
        assert (abs(float(logits.grad[0, 0, 0])) > 0.01) == moves  # entropy alone moves a little


def test_missing_options_give_no_gradient_that_is_not_a_number():
    policy = Policy(COUNTS, 0)
    choices = torch.tensor([[0] * 8, [1, 1, 1, 0, 1, 1, 1, 1]])
    before = policy(choices).detach()
    ppo_loss(policy(choices), before, choices, torch.tensor([1.0, -1.0])).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in policy.parameters())


def test_advantages_are_ranks():
    found = advantages([5.0, -np.inf, 700.0, 5.0])
    assert found == pytest.approx(np.array([0.0, -1.5, 1.5, 0.0]) / 1.125**0.5)
    assert advantages([3.0, 3.0]).tolist() == [0.0, 0.0]
    assert advantages([-np.inf]).tolist() == [0.0]


def test_an_update_makes_better_choices_likelier():
    strategy = MnasNet(problem((2, 2)), 0)
    for number in range(BATCH):
        one = (number % 2, number // 2 % 2)
        strategy.tell(Told(number, one, Outcome(float(one[0]))))
    likely = strategy.policy(torch.tensor([[0, 0]]))[0].exp()
    assert likely[0, 1] > 0.51


def test_reinforce_steps_by_the_gradient_of_the_log_probability():
    strategy = Reinforce(problem((3, 2)), 0)
    strategy.tell(Told(0, (0, 0), Outcome(1.0)))
    assert not np.nan_to_num(strategy.logits, neginf=0).any()  # nothing to compare the first with
    strategy.tell(Told(1, (2, 1), Outcome(2.0)))
    step = strategy.logits[0, 2] / (1 - 1 / 3)
    assert step > 0
    assert strategy.logits[0] == pytest.approx([-step / 3, -step / 3, 2 * step / 3])
    assert strategy.logits[1] == pytest.approx([-step / 2, step / 2, -np.inf])
    assert strategy.probabilities().sum(1) == pytest.approx(1)


def test_reinforce_does_not_care_for_the_unit_of_the_reward():
    runs = []
    for scale in (1.0, 0.5):  # a power of two, which rounds nothing
        strategy = Reinforce(problem(), 4)
        for number in range(60):
            found = strategy.ask(number)
            strategy.tell(Told(number, found, Outcome(scale * worth(found))))
        runs.append([trial.genotype for trial in strategy.told])
    assert runs[0] == runs[1]
