"""A budget as people write it: a time, or another resource and how much of it."""

import re
from dataclasses import dataclass

from mobilenets.base.errors import UsageError, shown

RESOURCES = ("latency", "macs", "params", "memory")
MULTIPLES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}
UNITS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}


def parse_budget(text: str) -> float:
    """Milliseconds in a text like "5ms", "800us" or "0.1s". Raises UsageError."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+) *([a-zµ]*)\s*", str(text).lower())
    if not match:
        raise UsageError(f"budget must be a time like 5ms, got {text!r}")
    number, unit = float(match[1]), match[2]
    if not unit:
        raise UsageError(f"budget needs a unit, got {text!r}; write {match[1]}ms if milliseconds are meant")
    if unit not in UNITS:
        raise UsageError(f"budget has the unit {unit!r}; known are {', '.join(UNITS)}")
    if number == 0:
        raise UsageError(f"budget must be more than nothing, got {text!r}")
    return number * UNITS[unit]


@dataclass(frozen=True)
class Goal:
    """How much of a resource a network may take: an `amount` in ms, MACs, parameters or bytes, or a `share`
    of what it takes now.
    """

    resource: str
    amount: float = 0.0
    share: float = 0.0

    @property
    def timed(self) -> bool:
        """Whether it is one of latency."""
        return self.resource == "latency"

    def of(self, present: float) -> float:
        """The amount, for a network that takes `present` now."""
        return self.amount or self.share * present


def parse_goal(text: str) -> Goal:
    """A time like "3ms", "150M macs", "1.2M params" or "600kB" of activations at once; or "60%" of the
    latency, "60% macs", "60% params", "60% memory". Raises UsageError.
    """
    given = str(text).strip()
    if share := re.fullmatch(r"([0-9]*\.?[0-9]+) *% *([a-zA-Z]*)", given):
        resource = share[2].lower() or "latency"
        if resource not in RESOURCES or not 0 < float(share[1]) < 100:
            raise UsageError(
                f"a share is above 0 and below 100 %, of {', '.join(RESOURCES)}, got {shown(given)}"
            )
        return Goal(resource, share=float(share[1]) / 100)
    if counted := re.fullmatch(r"([0-9]*\.?[0-9]+) *([kMG]?) *(macs|params|B)", given, re.IGNORECASE):
        amount = float(counted[1]) * MULTIPLES[counted[2].upper()]
        if amount == 0:
            raise UsageError(f"budget must be more than nothing, got {shown(given)}")
        return Goal({"macs": "macs", "params": "params", "b": "memory"}[counted[3].lower()], amount)
    return Goal("latency", parse_budget(given))
