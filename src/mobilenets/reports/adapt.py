"""The part of the page on an adaptation: its path, what became of every width, what every layer cost."""

from typing import Any

from mobilenets.reports import figures
from mobilenets.reports.facts import Facts
from mobilenets.reports.wording import metric

LONGEST = 60  # widths or layers that one figure can hold legibly; of more, those that changed most


SAID = {"fits": "the largest that fits", "adapted": "the next larger one, adapted",
        "searched": "the best of a search"}  # fmt: skip


def section(facts: Facts) -> dict[str, Any]:
    """What the page shows of the ways of `fit`, and of adapt.json; nothing where there is neither."""
    return {"ways": _ways(facts), **_path(facts)}


def _ways(facts: Facts) -> list[dict[str, Any]]:
    """What each way came to, as rows."""
    return [
        {
            "said": SAID.get(one["way"], one["way"]),
            "kept": one["way"] == facts.ways.get("kept"),
            "network": one["arch"].get("name", ""),
            "params": one["params"],
            "macs": one["macs"],
            "metric": one["metric"].get("value"),
            "n": one["metric"].get("n"),
        }
        for one in facts.ways.get("ways", [])
    ]


def _path(facts: Facts) -> dict[str, Any]:
    """The path of the adaptation whose network was kept."""
    adapted = facts.adaptation
    if not adapted:
        return {"adapted": None}
    plots = facts.run.plots
    points = [adapted["start"], *(one["chosen"] for one in adapted["rounds"])]
    path = figures.path(
        [one["cost"] for one in points],
        [one["metric"] for one in points],
        adapted["budget"],
        adapted["unit"],
        metric(facts.metric),
    )
    return {
        "adapted": adapted,
        "path": figures.embedded(path, plots, "path"),
        "widths": figures.embedded(
            figures.before_after(_changed(points[0]["widths"], points[-1]["widths"]), "channels"),
            plots, "widths"),
        "layers": _layers(adapted, facts),
        "steps": [_step(one) for one in adapted["rounds"]],
    }  # fmt: skip


def _changed(before: dict[str, int], after: dict[str, int]) -> list[tuple[str, float, float]]:
    """Name, before, after, in the order of the network."""
    rows = [(name, float(count), float(after.get(name, count))) for name, count in before.items()]
    if len(rows) <= LONGEST:
        return rows
    most = sorted(rows, key=lambda row: row[2] - row[1])[:LONGEST]
    return [row for row in rows if row in most]


def _layers(adapted: dict[str, Any], facts: Facts) -> Any:
    """What every layer cost before and after; None where the costs do not add up by layer."""
    if not adapted.get("layers"):
        return None
    rows = [(one["name"], one["before"], one["after"]) for one in adapted["layers"]]
    title = f"{adapted['unit']}, by {'the table' if adapted['resource'] == 'latency' else 'count'}"
    return figures.embedded(figures.before_after(rows, title), facts.run.plots, "layers")


def _step(one: dict[str, Any]) -> dict[str, Any]:
    """A round as a row."""
    return {
        "round": one["round"],
        "name": one["name"].replace("+", ", "),
        "cost": one["chosen"]["cost"],
        "metric": one["chosen"]["metric"],
        "proposed": len(one["proposals"]),
        "fine_tuned": one["fine_tuned"],
    }
