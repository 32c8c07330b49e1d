"""adapt.json: how one network became a narrower one, for reports and programs."""

from collections.abc import Sequence
from typing import Any

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import NAMES, Arch
from mobilenets.arch.widths import widths
from mobilenets.jobs.resource import Meter
from mobilenets.jobs.rounds import Adapting
from mobilenets.nas.netadapt import Point, Round


def document(
    start: Point, budget: float, known: Meter, adapting: Adapting, done: Sequence[Round]
) -> dict[str, Any]:
    """adapt.json: where it began, what was wanted, every round, and how many images were seen.

    `images.lineage` counts those that the networks on the path were fine-tuned on, `images.all` those of all
    proposals; neither counts the long fine-tuning.
    """
    reached = done[-1].chosen.cost
    return {
        "resource": known.resource,
        "unit": known.unit,
        "budget": budget,
        "reached": reached,
        "met": reached <= budget * (1 + adapting.rules.tolerance),
        "error_percent": known.error_percent,
        "start": _point(start),
        "rounds": [_round(one) for one in done],
        "layers": _layers(start.arch, done[-1].chosen.arch, known),
        "images": {
            "each": adapting.images,
            "lineage": adapting.images * len(done),
            "all": adapting.images * sum(len(one.tuned) for one in done),
        },
    }


def _layers(before: Arch, after: Arch, known: Meter) -> list[dict[str, Any]]:
    """What every block and the head cost, before and after; empty where costs do not add up by layer."""
    if known.by_layer is None:
        return []
    costs = zip(known.by_layer(before), known.by_layer(after), strict=True)
    names = [*(f"blocks.{index} {NAMES[type(block)]}" for index, block in enumerate(before.blocks)), "head"]
    return [
        {"name": name, "before": was, "after": now} for name, (was, now) in zip(names, costs, strict=True)
    ]


def _point(point: Point) -> dict[str, Any]:
    """A network on the path as plain data."""
    counted = cost(point.arch)
    return {
        "arch": codec.encode(point.arch),
        "cost": point.cost,
        "metric": point.metric,
        "loss": point.loss,
        "params": counted.params,
        "macs": counted.macs,
        "widths": {one.name: one.channels for one in widths(point.arch)},
    }


def _round(one: Round) -> dict[str, Any]:
    """A round as plain data."""
    return {
        "round": one.number,
        "limit": one.limit,
        "fine_tuned": len(one.tuned),
        "proposals": [
            {
                "name": proposal.name,
                "cut": dict(proposal.cut),
                "cost": proposal.cost,
                "metric": one.tuned[proposal.name].metric if proposal.name in one.tuned else None,
                "loss": one.tuned[proposal.name].loss if proposal.name in one.tuned else None,
            }
            for proposal in one.proposals
        ],
        "name": one.name,
        "chosen": _point(one.chosen),
    }


def line(one: Round, known: Meter, task: str) -> str:
    """What a round did, for a person."""
    from mobilenets.tasks import get

    return (
        f"round {one.number}: {len(one.tuned)} of {len(one.proposals)} proposals fine-tuned, "
        f"took {one.name}: {one.chosen.cost:.4g} {known.unit}, "
        f"{get(task).metric} {100 * one.chosen.metric:.1f} % on val"
    )
