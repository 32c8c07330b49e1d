"""The part of the page on a search: its front, its rewards over time, the networks found, what was chosen."""

from collections.abc import Sequence
from typing import Any

from mobilenets.arch import codec, lower
from mobilenets.arch.spec import Arch, Attention, Block, Conv, Fused, Inverted, Separable, Universal
from mobilenets.reports import figures, search_figures
from mobilenets.reports.facts import Facts
from mobilenets.reports.search_figures import Drawn
from mobilenets.reports.wording import amount, metric

NETWORKS = 4  # of the front, drawn block by block
BEST = 0.2  # share of the trials whose choices are set against those of all
DECISIONS = 40  # whose choices one figure can hold, those that tell most


def section(facts: Facts) -> dict[str, Any]:
    """What the page shows of search.json; nothing where there is none."""
    found = facts.search
    if not found:
        return {"searched": None}
    plots = facts.run.plots
    drawn = {
        "front": search_figures.front(found, metric(facts.metric)),
        "rewards": search_figures.rewards(found["trials"]),
        "blocks": search_figures.networks(
            [(_title(one, found), blocks(codec.decode(one["arch"]))) for one in _shown(found)]
        ),
        "marginals": search_figures.marginals(marginals(found)),
    }
    direct = bool(facts.config.get("direct"))  # trials were measured, nothing was predicted
    timed = None if direct else search_figures.predicted(facts.finalists, found["unit"])
    return {
        "searched": found,
        **{f"search_{name}": figures.embedded(one, plots, f"search-{name}") for name, one in drawn.items()},
        "search_predicted": None if timed is None else figures.embedded(timed, plots, "search-predicted"),
        "finalists": facts.finalists.get("trained") or [],
        "hours": sum(one["seconds"] or 0.0 for one in found["trials"]) / 3600,
    }


def marginals(found: dict[str, Any]) -> list[tuple[str, list[tuple[str, float, float]]]]:
    """For each decision: its options with their share of all trials and of the best ones.

    The best are the fifth with the highest reward. Of many decisions, those where both differ most, in order.
    """
    ended = [one for one in found["trials"] if one["reward"] is not None]
    best = sorted(ended, key=lambda one: -one["reward"])[: max(1, round(BEST * len(ended)))]
    rows = []
    for k, (name, options) in enumerate(found["decisions"].items()):
        shares = [
            (str(option), _share(ended, k, index), _share(best, k, index))
            for index, option in enumerate(options)
        ]
        if len(options) > 1:
            rows.append((name, shares))
    told = sorted(rows, key=lambda row: -sum(abs(top - every) for _, every, top in row[1]))[:DECISIONS]
    return [row for row in rows if row in told]


def blocks(arch: Arch) -> list[Drawn]:
    """The blocks of a network as they are drawn."""
    return [
        Drawn(_kind(block), _kernel(block), layer.channels, layer.side, bool(getattr(block, "squeeze", 0)))
        for block, layer in zip(arch.blocks, lower(arch), strict=False)
    ]


def _share(trials: Sequence[dict[str, Any]], decision: int, option: int) -> float:
    """Of the trials, those that took an option."""
    taken = [one for one in trials if one["genotype"][decision] == option]
    return len(taken) / max(1, len(trials))


def _shown(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The best that fits, and some of the front, evenly spread."""
    front = found["front"]
    step = max(1, -(-len(front) // NETWORKS))
    chosen = front[::step]
    best = found["best_that_fits"]
    return [
        *([best] if best else []),
        *(one for one in chosen if best is None or one["trials"] != best["trials"]),
    ]


def _title(one: dict[str, Any], found: dict[str, Any]) -> str:
    """What a network reached, in a line."""
    best = found["best_that_fits"]
    chosen = "the best that fits: " if best and one["trials"] == best["trials"] else ""
    return f"{chosen}{100 * one['quality']:.1f} %, {amount(one['cost'])} {found['unit']}"


def _kind(block: Block) -> str:
    """What is written into a block: the expansion, or what else it is."""
    match block:
        case Conv():
            return "conv"
        case Separable():
            return "sep"
        case Attention():
            return "att"
        case Inverted() | Fused() | Universal():
            expands = not isinstance(block, Inverted) or block.expand
            return f"{block.hidden}" if expands else "sep"


def _kernel(block: Block) -> int:
    """The largest kernel of a block."""
    return max(getattr(block, "kernel", 1), getattr(block, "start", 0), 1)
