"""Which network of the zoo fits a budget: shortlisted by cost, measured on the target before any training."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import WIDTHS, find
from mobilenets.arch.zoo.published import published_side
from mobilenets.base.console import say
from mobilenets.base.errors import BudgetError
from mobilenets.base.files import write_json
from mobilenets.base.run import Run, read
from mobilenets.jobs.benchmark import ceiling_of, floor_at
from mobilenets.jobs.known import published_accuracy
from mobilenets.jobs.measured import measured
from mobilenets.jobs.start import Plan

if TYPE_CHECKING:
    from mobilenets.runtimes import Target

# Input sides, tried in turn where the user leaves the choice to us.
RESOLUTIONS = {
    "classify": (224, 192, 160, 128, 96),
    "detect": (320, 256, 224, 192),
    "segment": (384, 320, 256, 224),
    "embed": (224, 192, 160, 128, 96),
}
# What is chosen among: the families with which the whole way from images to a file was measured. Others are
# taken when they are asked for by name.
FAMILIES = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
NEIGHBOURS = 2  # smaller networks measured beside the chosen one, so that the choice can be seen


@dataclass(frozen=True)
class Pins:
    """What the user settles instead of leaving it to the choice."""

    model: str | None = None
    width: float | None = None
    resolution: int | None = None
    dialect: str | None = None


@dataclass(frozen=True)
class Budget:
    """Milliseconds on a target, of which the share `margin` is kept free."""

    ms: float
    target: "Target"
    margin: float = 0.1

    @property
    def limit(self) -> float:
        """What a candidate may take, in ms."""
        return self.ms * (1 - self.margin)


@dataclass(frozen=True)
class Candidate:
    """A network of the zoo, what it is worth (published top-1 in per cent, if any) and, once measured, its
    latency.
    """

    plan: Plan
    width: float
    top1: float | None
    source: str
    median_ms: float | None = None
    iqr_ms: float | None = None

    @property
    def arch(self) -> Arch:
        """The network, with its head."""
        return self.plan.arch

    @property
    def name(self) -> str:
        """Family, width and input side, for a person."""
        return f"{self.arch.name} {self.width:g} at {self.arch.resolution} pixels"

    @property
    def worth(self) -> tuple[bool, float]:
        """What to prefer: published accuracy, and where there is none, more multiplications."""
        return (True, self.top1) if self.top1 is not None else (False, float(cost(self.arch).macs))


def as_it_is(arch: Arch) -> Plan:
    """The network with the head it has."""
    return Plan(arch, arch)


def candidates(pins: Pins, resolution: int, planned: Callable[[Arch], Plan] = as_it_is) -> list[Candidate]:
    """The networks to choose from, the most capable first: the one that is pinned, or FAMILIES.

    `planned` puts the head on that they will have; what is published of them is for their own.
    """
    families = [pins.model] if pins.model else list(FAMILIES)
    widths = [pins.width] if pins.model or pins.width else list(WIDTHS)
    found = [
        _candidate(find(name, width, resolution, dialect=pins.dialect), name, width, planned)
        for name in families
        for width in widths
    ]
    known = [one for one in found if one.top1 is not None]
    return sorted(found if pins.model else known or found, key=lambda one: one.worth, reverse=True)


def choose(
    run: Run,
    budget: Budget,
    pins: Pins,
    planned: Callable[[Arch], Plan] = as_it_is,
    sides: Sequence[int] = RESOLUTIONS["classify"],
) -> Plan:
    """The most capable network whose latency, measured with its head, is within the budget less its margin.

    Written to candidates.json with all that was measured; a second call reads it there.
    Raises BudgetError naming the closest when nothing fits.
    """
    if (stored := read(run.candidates)) and "backbone" in stored:
        return Plan(codec.decode(stored["arch"]), codec.decode(stored["backbone"]))
    seen: list[Candidate] = []
    for side in sides if pins.resolution is None else [pins.resolution]:
        measured, chosen = _search(candidates(pins, side, planned), budget)
        seen += measured
        if chosen is not None:
            _write(run, seen, chosen, budget)
            return chosen.plan
    closest = min((one for one in seen if one.median_ms), key=lambda one: one.median_ms or 0, default=seen[0])
    raise BudgetError(_nothing_fits(closest, budget))


def _candidate(arch: Arch, name: str, width: float | None, planned: Callable[[Arch], Plan]) -> Candidate:
    """A network and its published accuracy."""
    from mobilenets.arch.zoo import ALIASES

    settled = width or ALIASES.get(name, (name, {}))[1].get("width", 1.0)
    accuracy = published_accuracy(arch, settled)
    top1, source = (accuracy.top1, accuracy.source) if accuracy else (None, "")
    return Candidate(planned(arch), settled, top1, source)


def _search(listed: list[Candidate], budget: Budget) -> tuple[list[Candidate], Candidate | None]:
    """Measure from the most capable down to the first that fits, then a few smaller ones.

    What cannot fit even at the ceiling of this processor, where that is the target, or is far over by the
    rate seen so far, is not measured.
    """
    ceiling = ceiling_of(budget.target)
    rows, chosen, extra, rate = list(listed), None, 0, 0.0
    for i, one in enumerate(listed):
        macs = cost(one.arch).macs
        hopeless = (floor_at(macs, ceiling) or 0) > budget.limit or macs * rate > 2 * budget.limit
        last = i == len(listed) - 1 and chosen is None  # something must be measured to say what is closest
        if (hopeless and not last) or extra == NEIGHBOURS:
            continue
        rows[i] = one = _measured(one, budget.target)
        rate = min(rate or math.inf, (one.median_ms or 0) / macs)  # the quickest: families differ
        if chosen is None and (one.median_ms or 0) <= budget.limit:
            chosen = one
        elif chosen is not None:
            extra += 1
    return rows, chosen


def _measured(one: Candidate, target: "Target") -> Candidate:
    """The candidate with its latency on the target, untrained."""
    [timing] = measured([one.arch], str(target))
    say(f"{one.name}: {timing['median_ms']:.2f} ms on {target}")
    return replace(one, median_ms=timing["median_ms"], iqr_ms=timing["iqr_ms"])


def _write(run: Run, seen: list[Candidate], chosen: Candidate, budget: Budget) -> None:
    """candidates.json."""
    ceiling = ceiling_of(budget.target)
    document = {
        "target": str(budget.target),
        "budget_ms": budget.ms,
        "margin": budget.margin,
        "ceiling_gflops": ceiling,
        "candidates": [_row(one, one is chosen, budget.limit, ceiling) for one in seen],
        "arch": codec.encode(chosen.arch),
        "backbone": codec.encode(chosen.plan.backbone),
    }
    write_json(run.candidates, document)


def _row(one: Candidate, chosen: bool, limit: float, ceiling: float | None) -> dict[str, Any]:
    """One candidate as plain data."""
    counted = cost(one.arch)
    return {
        "name": one.arch.name,
        "width": one.width,
        "resolution": one.arch.resolution,
        "params": counted.params,
        "macs": counted.macs,
        "top1": one.top1,
        "top1_source": one.source,
        "top1_side": published_side(one.arch.name) if one.top1 is not None else None,
        "median_ms": one.median_ms,
        "iqr_ms": one.iqr_ms,
        "floor_ms": floor_at(counted.macs, ceiling),
        "meets": None if one.median_ms is None else one.median_ms <= limit,
        "chosen": chosen,
    }


def _nothing_fits(closest: Candidate, budget: Budget) -> str:
    """The line for a budget that nothing meets."""
    took = f"{closest.median_ms:.2f} ms" if closest.median_ms else "longer"
    return (
        f"nothing meets {budget.ms:g} ms ({budget.limit:.2f} ms with the margin) on {budget.target}; "
        f"the closest is {closest.name} with {took}; "
        "give a larger --budget, a smaller --resolution or another --model"
    )
