"""What a run reached, as a table for the terminal."""

from mobilenets.base.console import table
from mobilenets.base.run import Run
from mobilenets.reports import wording
from mobilenets.reports.facts import gather


def summary(run: Run) -> str:
    """Plain text: file, accuracy, latency, budget, sizes. Raises RunError when there is nothing yet."""
    facts = gather(run)
    cost, latency = facts.cost, facts.result.get("latency_ms")
    _, verdict = wording.verdict(facts)
    n, split = facts.images
    rows = [
        ("file", facts.artifact or wording.NOTHING),
        ("network", wording.network(facts)),
        ("weights", wording.origin(facts)),
        (
            wording.metric(facts.metric),
            f"{wording.percent(facts.value)} of {wording.count(n)} {split} images{wording.elsewhere(facts)}",
        ),
        ("latency", f"{wording.milliseconds(latency)} on {_target(facts.result, facts.choice)}"),
        ("budget", wording.NOTHING if facts.limit is None else f"{wording.allowed(facts)}: {verdict}"),
        ("size", f"{wording.count(facts.size)} bytes"),
        ("parameters", wording.count(cost.params if cost else None)),
        ("MACs", wording.count(cost.macs if cost else None)),
    ]
    text = table(("", "reached"), rows)
    return text.replace("\u202f", ",").replace("×", "x").replace(wording.NOTHING, "-")  # any terminal


def _target(result: dict[str, object], choice: dict[str, object]) -> object:
    """Where the latency was measured."""
    return result.get("target") or choice.get("target") or "no target"
