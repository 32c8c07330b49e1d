"""Other ways of `fit` to a network within the budget: the next larger one, adapted; a search."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.console import say
from mobilenets.base.errors import BudgetError, SearchError
from mobilenets.base.files import read_json, write_bytes, write_json
from mobilenets.base.run import Run, keep_weights, open_run, read, read_config
from mobilenets.jobs.adapt import FitsError, adapt_in
from mobilenets.jobs.budget import Goal
from mobilenets.jobs.choose import Budget, Pins
from mobilenets.jobs.material import Material
from mobilenets.jobs.rounds import Adapting
from mobilenets.jobs.search import search
from mobilenets.jobs.start import Plan

COMMON = ("arch", "card", "metrics")
OWN = {"adapted": ("adaptation",), "searched": ("search", "finalists")}  # what a way tells besides
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
    rows = read_json(run.candidates)["candidates"]  # the most capable of a resolution first
    place, chosen = next(((i, row) for i, row in enumerate(rows) if row["chosen"]), (0, None))
    if pins.model or not chosen or chosen["median_ms"] > (1 - GAP) * budget.limit:
        return None
    before = [row for row in rows[:place] if row["resolution"] == chosen["resolution"]]
    slow = [row for row in before if row["median_ms"] and not row["meets"]]
    if not slow:
        return None
    row = min(slow, key=lambda one: one["median_ms"])
    arch = find(row["name"], row["width"], row["resolution"], dialect=pins.dialect)
    return Larger(planned(arch), f"{row['name']} {row['width']:g}", row["median_ms"])


def adapted(
    run: Run,
    found: Larger,
    budget: Budget,
    material: Material,
    train: Callable[[Run, Plan], None],
    seed: int,
    settings: dict[str, Any] | None = None,
    teacher: Any = None,
) -> Run | None:
    """Train the larger network in `run`/larger and adapt it in `run`/adapted, which is returned; None, and
    said so, where it cannot be cut so far.

    `settings` are the user's, for every training; each imitates the `teacher`, those of adapting where it is
    a run or file, which other processes can read. A second call goes on. Raises as `train` and `adapt`.
    """
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
            narrow, whole.weights, material, goal, str(budget.target), Adapting(),
            teacher=teacher if isinstance(teacher, str | Path) else None, seed=seed,
            settings=settings,
        )  # fmt: skip
    except (BudgetError, FitsError) as error:
        say(f"{error}; the network that fits is kept")
        return None
    return narrow


def searched(
    run: Run,
    budget: Budget,
    material: Material,
    hours: float,
    resolution: int,
    seed: int,
    settings: dict[str, Any] | None = None,
    **more: Any,
) -> Run | None:
    """Search for a network in `run`/searched, which is returned; None, and said so, where nothing fits.

    `more` are the other arguments of `search`: teacher, head. A second call goes on. Raises as `search`.
    """
    say(f"a network is searched for {hours:g} h besides")
    place = Run(run.folder / "searched")
    try:
        search(
            material.data, task=material.task, resolution=resolution, budget=f"{budget.limit:.6f}ms",
            target=str(budget.target), out=place.folder, hours=hours, val=material.val, seed=seed,
            settings=settings, **more,
        )  # fmt: skip
    except (BudgetError, SearchError) as error:
        say(f"{error}; the network of the zoo is kept")
        return None
    return place


def settle(run: Run, others: Sequence[Run | None]) -> None:
    """Write to ways.json what all ways reached on the val split, and which is kept."""
    ways = [_way(run, "fits"), *(_way(other, other.folder.name) for other in others if other)]
    best = max(ways, key=lambda way: way["metric"]["value"])  # of equal ones the first, which is simpler
    write_json(run.ways, {"ways": ways, "kept": best["way"]})


def keep(run: Run) -> None:
    """Put the network that ways.json keeps where a finished run has it. May be done again."""
    kept = read(run.ways, {}).get("kept", "fits")
    if kept == "fits":
        return
    for name in (*COMMON, *OWN[kept]):
        place: Path = getattr(Run(run.folder / kept), name)
        write_bytes(getattr(run, name), place.read_bytes())
    keep_weights(run, Run(run.folder / kept).weights.read_bytes())


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
