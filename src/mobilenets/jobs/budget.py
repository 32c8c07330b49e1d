"""A latency budget as people write it."""

import re

from mobilenets.base.errors import UsageError

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
