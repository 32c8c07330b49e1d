"""The model of choices beside linear algebra in full."""

import numpy as np
import pytest

from mobilenets.nas.strategies.model import LEVEL, NOISE, OWN, Model, Scale, evidence, kernels

COUNTS = (3, 2, 4)


def told(count: int, seed: int = 0, repeat: bool = False) -> tuple[Model, np.ndarray]:
    """A model and the networks it was told of."""
    chance = np.random.default_rng(seed)
    grid = np.array(list(np.ndindex(*COUNTS)))
    choices = grid[chance.permutation(len(grid))[:count]]
    if repeat:
        choices[count // 2 :] = choices[: count - count // 2]
    count = len(choices)
    values = choices @ (1.0, -2.0, 0.5) + choices[:, 0] * choices[:, 2] + 0.3 * chance.standard_normal(count)
    model = Model(COUNTS)
    for one, value in zip(choices, values, strict=True):
        model.tell(one, float(value))
    return model, choices


def design(choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One column for every effect but networks' own, written out, and which variance and share it has."""
    columns, kinds = [np.ones(len(choices))], [(None, LEVEL)]
    pairs = [(i, j) for i in range(len(COUNTS)) for j in range(i + 1, len(COUNTS))]
    for i, n in enumerate(COUNTS):
        columns += [choices[:, i] == a for a in range(n)]
        kinds += [(0, 1 / len(COUNTS))] * n
    for i, j in pairs:
        for kind, share in ((1, (j == i + 1) / (len(COUNTS) - 1)), (2, 1 / len(pairs))):
            for a in range(COUNTS[i]):
                columns += [(choices[:, i] == a) & (choices[:, j] == b) for b in range(COUNTS[j])]
                kinds += [(kind, share)] * COUNTS[j]
    return np.stack(columns, 1).astype(float), kinds


def by_hand(model: Model, choices: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bayesian linear regression in closed form, by the covariance of its weights: mean and covariance."""
    x, kinds = design(choices)
    prior = np.array([share if kind is None else share * model.variances[kind] for kind, share in kinds])
    x, prior = x[:, prior > 0], prior[prior > 0]
    noise = model.variances[NOISE] + model.variances[OWN]
    covariance = np.linalg.inv(np.diag(1 / prior) + x.T @ x / noise)
    weights = covariance @ x.T @ model.targets() / noise
    new = design(others)[0][:, np.array([s > 0 for _, s in kinds])]
    return new @ weights, new @ covariance @ new.T


@pytest.mark.parametrize("count", [4, 5, 17])
def test_mean_and_covariance_are_those_of_linear_regression(count):
    model, choices = told(count)
    grid = np.array(list(np.ndindex(*COUNTS)))
    new = grid[~(grid[:, None] == choices).all(-1).any(1)]
    mean, covariance = model.posterior(new)
    wanted, spread = by_hand(model, choices, new)
    np.testing.assert_allclose(mean, wanted, atol=1e-8)
    np.testing.assert_allclose(covariance - model.variances[OWN] * np.eye(len(new)), spread, atol=1e-8)
    effects = model.mean().of(model.encoding.rows(new))
    np.testing.assert_allclose(effects, wanted, atol=1e-8)


@pytest.mark.parametrize("repeat", [False, True])
def test_the_inverse_that_is_kept_is_one(repeat):
    for count in (3, 16, 17, 24):
        model, choices = told(count, repeat=repeat)
        parts = kernels(choices, choices)
        covariance = LEVEL + np.tensordot(model.variances[:NOISE], parts, axes=1)
        covariance += model.variances[NOISE] * np.eye(count)
        np.testing.assert_allclose(model._inverse[:count, :count] @ covariance, np.eye(count), atol=1e-7)


def test_draws_have_the_posterior_s_mean_and_variance():
    model, _ = told(14)
    grid = np.array(list(np.ndindex(*COUNTS)))
    rows, chance = model.encoding.rows(grid), np.random.default_rng(1)
    drawn = np.array([model.draw(chance).of(rows) for _ in range(2500)])
    wanted, spread = by_hand(model, model.choices[:14], grid)
    deviation = np.sqrt(np.diag(spread))
    assert np.abs((drawn.mean(0) - wanted) / deviation).max() < 0.12
    assert np.abs(drawn.std(0) / deviation - 1).max() < 0.1


def test_variances_are_likelier_than_the_prior_s():
    model, choices = told(24)
    parts, targets = kernels(choices, choices), model.targets()
    assert (
        evidence(parts, targets, np.log(model.variances))
        > evidence(parts, targets, np.log(Model(COUNTS).variances)) + 1
    )


def test_gains_are_what_an_exchange_of_one_choice_changes():
    model, choices = told(20)
    effects, rows = model.mean(), model.encoding.rows(choices)
    gains = effects.gains(rows)
    other = choices.copy()
    other[:, 2] = (other[:, 2] + 1) % COUNTS[2]
    at = np.arange(len(choices))
    wanted = gains[at, other[:, 2] + 5] - gains[at, choices[:, 2] + 5]
    np.testing.assert_allclose(effects.of(model.encoding.rows(other)) - effects.of(rows), wanted, atol=1e-10)


@pytest.mark.parametrize("bent", [False, True])
def test_a_scale_keeps_order_and_goes_back(bent):
    values = np.sort(np.append(np.random.default_rng(0).normal(90, 1, 30), [-1e6, 10.0, 50.0]))
    scale = Scale.of(list(values), bent)
    seen = scale.seen(values)
    assert (np.diff(seen) > 0).all()
    np.testing.assert_allclose(scale.meant(seen), values, rtol=1e-9)
    assert not bent or seen.min() > -20


def test_equal_values_and_failures_alone_do_no_harm():
    for value in (3.0, None):
        model = Model(COUNTS)
        for one in np.ndindex(*COUNTS):
            model.tell(one, value)
        assert np.isfinite(model.draw(np.random.default_rng(0)).of(model.rows[: model.told])).all()
