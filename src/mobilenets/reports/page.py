"""The offline page of a run: one file, everything inside it, nothing fetched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobilenets.base.files import write_text
from mobilenets.base.run import Run
from mobilenets.data.findings import Finding, told
from mobilenets.reports import adapt, classify, detect, embed, figures, search, segment, wording
from mobilenets.reports.facts import Facts, gather
from mobilenets.reports.usage import snippets

TEMPLATE = "page.html.jinja"
FILTERS = (
    wording.percent,
    wording.milliseconds,
    wording.count,
    wording.millions,
    wording.size,
    wording.metric,
    wording.amount,
)
SECTIONS = {
    "classify": classify.section,
    "detect": detect.section,
    "segment": segment.section,
    "embed": embed.section,
}
LEFT_OUT = 20  # unreadable files named on the page


def write_report(run: Run) -> Path:
    """Write report.html of a run folder, and its figures into plots/; returns the page's path.

    Whatever the run has reached is shown; a stage that has not run is left out.
    Raises RunError when there is nothing to show or a file is broken, StorageError.
    """
    facts = gather(run)
    write_text(run.report, render(facts))
    return run.report


def render(facts: Facts) -> str:
    """The page as HTML text; the figures are saved on the way."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("mobilenets.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {function.__name__: function for function in FILTERS}
    pages.globals |= {"bar": _bar, "short": figures.short}
    return pages.get_template(TEMPLATE).render(
        **_headline(facts),
        **SECTIONS[facts.task](facts),
        **adapt.section(facts),
        **search.section(facts),
        **_training(facts),
        **_candidates(facts),
        **_terms(facts),
    )


def _headline(facts: Facts) -> dict[str, Any]:
    """What was asked and what was reached."""
    name = Path(str(facts.config.get("data") or facts.dataset.get("source") or facts.run.folder)).name
    mood, verdict = wording.verdict(facts)
    return {
        "facts": facts,
        "name": name or str(facts.run.folder.resolve().name),
        "mood": mood,
        "verdict": verdict,
        "allowed": wording.allowed(facts),
        "network": wording.network(facts),
        "origin": wording.origin(facts),
        "certainty": wording.certainty(facts),
        "figures": list((facts.result.get("metrics") or {}).items()),
        "target": facts.result.get("target") or facts.choice.get("target") or facts.config.get("target"),
    }


def _training(facts: Facts) -> dict[str, Any]:
    """The curves and the best epoch."""
    if not facts.metrics:
        return {"curves": None}
    title = wording.metric(facts.metric)
    figure = figures.curves(facts.metrics, facts.best, facts.metric, title)
    return {"curves": figures.embedded(figure, facts.run.plots, "curves")}


def _bar(share: float | None) -> Any:
    """The filled part of a bar."""
    from markupsafe import Markup

    return Markup(f'<i style="width:{100 * (share or 0):.1f}%"></i>')  # noqa: S704 - a number


def _candidates(facts: Facts) -> dict[str, Any]:
    """The networks that were measured, fastest last, and their plot; the others as a count."""
    listed = facts.choice.get("candidates") or []
    measured = [one for one in listed if one.get("median_ms") is not None]
    accurate = bool(measured) and all(one.get("top1") is not None for one in measured)
    points = [
        {
            "x": one["median_ms"],
            "y": one["top1"] * (100 if one["top1"] <= 1 else 1) if accurate else one["macs"] / 1e6,
            "family": one["name"],
            "name": f"×{one['width']:g}, {one['resolution']} px",
            "chosen": bool(one.get("chosen")),
        }
        for one in measured
    ]
    sides = {one.get("top1_side") for one in measured} - {None}
    at = f" at {sides.pop()} pixels" if len(sides) == 1 else ""
    worth = f"published top-1 on ImageNet{at}, %" if accurate else "multiply-accumulates, millions"
    drawn = None
    if points:
        figure = figures.choice(points, facts.budget_ms, facts.choice.get("margin") or 0.0, worth)
        drawn = figures.embedded(figure, facts.run.plots, "candidates")
    return {"measured": measured, "unmeasured": len(listed) - len(measured), "choice": drawn}


def _terms(facts: Facts) -> dict[str, Any]:
    """How to use the file, how it was made, on what."""
    artifact = facts.artifact
    inside = artifact.relative_to(facts.run.folder).as_posix() if artifact else ""
    left_out = facts.dataset.get("left_out") or []
    return {
        "artifact": inside,
        "snippets": snippets(inside, _card(facts), facts.labels) if inside else [],
        "command": facts.result.get("command") or facts.card.get("command") or "",
        "counts": facts.splits,
        "warnings": list(told(Finding(**one) for one in facts.dataset.get("warnings") or [])),
        "left_out": left_out[:LEFT_OUT],
        "left_out_more": max(0, len(left_out) - LEFT_OUT),
        "settings": list(_flat(facts.config)),
        "latency": [(key, value) for key, value in _flat(facts.result.get("latency") or {})],
        "machine": list(_flat(facts.env)),
    }


def _card(facts: Facts) -> dict[str, Any]:
    """The card as plain data, with what the exported file gives."""
    return {**facts.card, "task": facts.task, "outputs": facts.result.get("outputs") or ""}


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A document as pairs of dotted name and text; what was left open is left out."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", f"{value:.6g}" if isinstance(value, float) else str(value)
