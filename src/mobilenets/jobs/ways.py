"""`fit` when the budget lies between two networks: the larger one, adapted, beside the one that fits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.console import say
from mobilenets.base.errors import BudgetError, UsageError
from mobilenets.base.files import read_json, write_bytes, write_json
from mobilenets.base.run import Run, open_run, read, read_config
from mobilenets.jobs.adapt import adapt_in
from mobilenets.jobs.budget import Goal
from mobilenets.jobs.choose import Budget, Pins
from mobilenets.jobs.rounds import Material, Search
from mobilenets.jobs.start import Plan

GAP = 0.1  # of the limit: when the network that fits leaves less unused, a larger one has little to win


@dataclass(frozen=True)
class Larger:
    """A network of the zoo that is too slow, which may be the better one once it is narrower."""

    plan: Plan
    name: str
    median_ms: float


def larger(run: Run, budget: Budget, pins: Pins, planned: Callable[[Arch], Plan]) -> Larger | None:
    """The fastest of the networks that are worth more than the chosen one and miss the budget.

    None where the choice was pinned, where what was chosen leaves less than GAP unused, or where nothing that
    is too slow was measured.
    """
    rows = read_json(run.candidates)["candidates"]
    chosen = next((row for row in rows if row["chosen"]), None)
    if pins.model or not chosen or chosen["median_ms"] > (1 - GAP) * budget.limit:
        return None
    slow = [
        row
        for row in rows
        if row["median_ms"] and not row["meets"] and row["resolution"] == chosen["resolution"]
    ]
    if not slow:
        return None
    row = min(slow, key=lambda one: one["median_ms"])
    arch = find(row["name"], row["width"], row["resolution"], dialect=pins.dialect)
    return Larger(planned(arch), f"{row['name']} {row['width']:g}", row["median_ms"])


def both(
    run: Run,
    found: Larger,
    budget: Budget,
    material: Material,
    train: Callable[[Run, Plan], None],
    seed: int,
    settings: dict[str, Any] | None = None,
) -> None:
    """Train the larger network in `run`/larger, adapt it in `run`/adapted, and write what both ways reached
    on the val split, and which is kept, to ways.json. A second call goes on, or does nothing.

    `settings` are the user's, for every training. A network that cannot be cut so far is said so, and the way
    that fits is kept.
    Raises as `train` and `adapt`.
    """
    if run.ways.exists():
        return
    say(
        f"the budget lies between two networks: {found.name} ({found.median_ms:.2f} ms) is trained as well "
        f"and narrowed to {budget.limit:.2f} ms; --no-adapt leaves that out"
    )
    config = read_config(run)
    whole = open_run(run.folder / "larger", {**config, "verb": "train"})
    train(whole, found.plan)
    narrow = open_run(run.folder / "adapted", {**config, "verb": "adapt"})
    goal = Goal("latency", budget.limit)
    try:
        adapt_in(
            narrow, whole.weights, material, goal, str(budget.target), Search(), seed=seed, settings=settings
        )
    except (
        BudgetError,
        UsageError,
    ) as error:  # the latter where it fits after all
        say(f"{error}; the network that fits is kept")
        write_json(run.ways, {"ways": [_way(run, "fits")], "kept": "fits"})
        return
    ways = [_way(run, "fits"), _way(narrow, "adapted")]
    best = max(ways, key=lambda way: way["metric"]["value"])  # of equal ones the first, which is simpler
    write_json(run.ways, {"ways": ways, "kept": best["way"]})


def keep(run: Run) -> None:
    """Put the network that ways.json keeps where a finished run has it. May be done again."""
    kept = read(run.ways, {}).get("kept")
    if kept != "adapted":
        return
    narrow = Run(run.folder / "adapted")
    for name in ("arch", "card", "adaptation", "metrics", "weights"):
        place: Path = getattr(narrow, name)
        write_bytes(getattr(run, name), place.read_bytes())


def _way(run: Run, name: str) -> dict[str, Any]:
    """What one way came to."""
    from mobilenets.nn import load_model

    network, card = load_model(run.weights)
    counted = cost(network.arch)
    return {
        "way": name,
        "arch": codec.encode(network.arch),
        "metric": card.metric,
        "params": counted.params,
        "macs": counted.macs,
    }
