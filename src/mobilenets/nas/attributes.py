"""How a trial is kept in Optuna's words, parameters and attributes, and read back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.trial import Done, Trial

METRIC = "metrics."


def read_trial(frozen: Any, known: Mapping[str, Any]) -> Trial:
    """A trial of Optuna's, in a search that is `known` (see `record.identity`).

    Raises KeyError, ValueError for a trial of anybody else.
    """
    kept = frozen.user_attrs
    decisions = known["space"]["decisions"]
    genotype = tuple(choices.index(frozen.params[name]) for name, choices in decisions.items())
    trial = Trial(frozen.number, genotype, kept["seed"], kept.get("arch"))
    if "ended" not in kept:
        return trial
    trial = replace(trial, seconds=kept["seconds"], beside=kept.get("beside", 1), ended=kept["ended"])
    if kept["reason"]:
        return replace(trial, state="failed", reason=kept["reason"])
    metrics = {key.removeprefix(METRIC): one for key, one in kept.items() if key.startswith(METRIC)}
    outcome = Outcome(kept["quality"], tuple(kept["costs"]))
    return replace(trial, state="complete", outcome=outcome, metrics=metrics)


def attributes(trial: Trial) -> dict[str, Any]:
    """How a trial ended, in the order in which it is written: a reader trusts none without the last."""
    found: dict[str, Any] = {"seconds": trial.seconds, "beside": trial.beside, "reason": trial.reason or ""}
    if trial.outcome is not None:
        found |= {"quality": trial.outcome.quality, "costs": list(trial.outcome.costs)}
        found |= {f"{METRIC}{name}": value for name, value in trial.metrics.items()}
    return {**found, "ended": trial.ended}


def with_result(trial: Trial, done: Done, reward: Reward) -> Trial:
    """The trial and what came of it; one whose reward is no number has failed."""
    if done.evaluation is None:
        return replace(trial, state="failed", reason=done.reason)
    outcome = done.evaluation.outcome
    complete = replace(trial, state="complete", outcome=outcome, metrics=dict(done.evaluation.metrics))
    if reward.form != "quality" and reward.targets and len(reward.targets) != len(outcome.costs):
        reason = f"{len(outcome.costs)} costs came of it, the reward has {len(reward.targets)} targets"
        return replace(trial, state="failed", reason=reason)
    with np.errstate(all="ignore"):
        try:
            value = float(reward.of(outcome.quality, outcome.costs))
        except ArithmeticError:
            value = np.nan
    if not np.isfinite(value):
        return replace(trial, state="failed", reason=f"its reward is no number for {outcome}")
    return complete
