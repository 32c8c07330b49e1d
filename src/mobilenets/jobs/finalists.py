"""The end of a search: the best networks that fit are measured and trained in full, and one is kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import cost
from mobilenets.base.console import say
from mobilenets.base.errors import BudgetError
from mobilenets.base.files import write_bytes, write_json
from mobilenets.base.run import Run, keep_weights, open_run, read, read_config
from mobilenets.jobs.search_result import Found
from mobilenets.jobs.start import Plan
from mobilenets.jobs.teacher import Guidance
from mobilenets.jobs.train import train_in
from mobilenets.reports.wording import amount

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset

TRIED = 4  # networks that are measured for each that is wanted, at most


@dataclass(frozen=True)
class Finalist:
    """A network that was chosen: how good it was in the search, and what it costs, predicted and measured."""

    trial: int
    quality: float
    predicted: float
    measured: float | None


def chosen(
    run: Run, fitting: Sequence[Found], target: str | None, budget: float, count: int, trials: int
) -> list[Finalist]:
    """The best `count` networks that fit, also when they are measured on the target (None: costs are counts).

    finalists.json says which; a second call reads it there, unless more `trials` ended since: then the old
    result is deleted. Raises BudgetError where none of the best fits.
    """
    before = read(run.finalists, {})
    if before.get("trials") == trials:
        return [Finalist(**one) for one in before["chosen"]]
    seen = []
    for one in fitting[: TRIED * count]:
        seen.append(Finalist(one.trials[0], one.quality, one.cost, _measured(one, target)))
        kept = [each for each in seen if each.measured is None or each.measured <= budget]
        if len(kept) == count:
            break
    if not kept:
        closest = min(seen, key=lambda each: each.measured or 0.0)
        raise BudgetError(
            f"of the {len(seen)} best that fit by the table none does when it is measured; the closest takes "
            f"{closest.measured:.4g} ms for {budget:.4g} ms; run it again when nothing else runs on the "
            "machine, or give a smaller --budget to search for, and another --out"
        )
    run.result.unlink(missing_ok=True)
    found = {"chosen": [asdict(one) for one in kept], "measured": [asdict(one) for one in seen]}
    write_json(run.finalists, {"trials": trials, **found})
    return kept


def train_all(
    run: Run,
    finalists: Sequence[Finalist],
    networks: Sequence[Found],
    dataset: "Dataset",
    seed: int,
    settings: dict[str, Any] | None,
    guided: Guidance,
) -> None:
    """Train each from nothing, in a folder of its own, and put the one that is best on the val split where a
    finished run has it. A second call goes on. Raises as training does.
    """
    if "trained" in read(run.finalists):
        return
    by_trial = {one.trials[0]: one for one in networks}
    config = {**read_config(run), "verb": "train"}
    runs = []
    for one in finalists:
        place = open_run(run.folder / "finalists" / f"{one.trial:05d}", config)
        arch = by_trial[one.trial].arch
        if len(finalists) > 1:
            costs = amount(one.measured or one.predicted)
            say(f"training {arch.name} ({costs}), {100 * one.quality:.1f} % so far")
        trained, _ = train_in(place, dataset, Plan(arch, arch), "none", seed, settings, may_lack=False,
                              guided=guided)  # fmt: skip
        runs.append((trained.metric, place))
    _keep(run, max(runs, key=lambda pair: pair[0])[1])
    kept = read(run.finalists)
    trained_to = [
        {**asdict(one), "value": metric, "params": cost(by_trial[one.trial].arch).params,
         "macs": cost(by_trial[one.trial].arch).macs, "name": by_trial[one.trial].arch.name}
        for one, (metric, _) in zip(finalists, runs, strict=True)
    ]  # fmt: skip
    write_json(run.finalists, {**kept, "trained": trained_to})


def _measured(one: Found, target: str | None) -> float | None:
    """What a network takes on the target, in ms, measured anew: what fits best was also lucky."""
    from mobilenets.jobs.measured import measured

    return None if target is None else float(measured([one.arch], target, fresh=True)[0]["median_ms"])


def _keep(run: Run, best: Run) -> None:
    """Put a finished training where the run has its own. May be done again."""
    for name in ("arch", "card", "metrics"):
        place: Path = getattr(best, name)
        write_bytes(getattr(run, name), place.read_bytes())
    keep_weights(run, best.weights.read_bytes())
