"""Published accuracy against cost, every network a point: a picture, or a page with the numbers beneath."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mobilenets.base.errors import UsageError, shown
from mobilenets.base.files import replacing, write_text
from mobilenets.reports import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".html", ".png", ".svg")


class Point(NamedTuple):
    """A network: its name, the family that gives it its colour, top-1 in per cent, what it costs.

    `ms` is None where its latency was not measured.
    """

    name: str
    family: str
    top1: float
    macs: float
    ms: float | None = None


def checked_suffix(path: Path) -> Path:
    """`path`, unchanged. Raises UsageError for an ending that cannot be drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a plot ends in {', '.join(SUFFIXES)}, got {shown(path.name)}")
    return path


def write_scatter(path: Path, points: Sequence[Point], terms: str = "") -> None:
    """Draw top-1 against MACs and, where measured, against latency; `terms` says how latency was measured.

    Raises UsageError for an ending other than .html, .png or .svg, or without points; StorageError.
    """
    checked_suffix(path)
    if not points:
        raise UsageError("nothing to plot: no network that is listed has a published accuracy; filter less")
    figure = scatter(points)
    match path.suffix.lower():
        case ".svg":
            figures.save(figure, path)
        case ".png":
            with replacing(path) as draft, figures.style():
                figure.savefig(draft, format="png", dpi=150)
        case _:
            write_text(path, page(figure, points, terms))


def scatter(points: Sequence[Point]) -> "Figure":
    """Top-1 against MACs, and beside it against latency where it was measured."""
    costs = [("macs", "multiply-accumulates, M", 1e-6)]
    if any(point.ms is not None for point in points):
        costs.append(("ms", "measured latency, ms", 1.0))
    with figures.style():
        figure = figures.blank(5.4 * len(costs), 4.4)
        for axes, (key, label, scale) in zip(
            figure.subplots(1, len(costs), squeeze=False)[0], costs, strict=True
        ):
            _panel(axes, points, key, scale)
            axes.set_xlabel(label)
            axes.set_title("published top-1 on ImageNet, %")
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=6)
    return figure


def frontier(points: Sequence[Point], key: str) -> list[Point]:
    """The points that no other beats in both accuracy and cost `key`, from cheap to dear."""
    best: list[Point] = []
    known = [point for point in points if getattr(point, key) is not None]
    for point in sorted(known, key=lambda one: (getattr(one, key), -one.top1)):
        if not best or point.top1 > best[-1].top1:
            best.append(point)
    return best


def page(figure: "Figure", points: Sequence[Point], terms: str) -> str:
    """One offline HTML page: the figure and its numbers, the most accurate first."""
    rows = "\n".join(
        f"<tr><td>{escape(point.name)}<td>{escape(point.family)}<td class=r>{point.top1:.1f}"
        f"<td class=r>{point.macs / 1e6:,.1f}<td class=r>{'' if point.ms is None else f'{point.ms:.2f}'}"
        for point in sorted(points, key=lambda one: -one.top1)
    )
    return PAGE.format(svg=figures.inline(figures.drawn(figure), "scatter"), rows=rows, terms=escape(terms))


def _panel(axes: "Axes", points: Sequence[Point], key: str, scale: float) -> None:
    """One scatter with a logarithmic cost, the frontier drawn and named."""
    from matplotlib.ticker import LogLocator, NullLocator

    families = sorted({point.family for point in points})
    colours = (*figures.COLOURS.values(), figures.FAINT, figures.INK)
    for i, family in enumerate(families):
        of = [point for point in points if point.family == family and getattr(point, key) is not None]
        axes.scatter([getattr(point, key) * scale for point in of], [point.top1 for point in of], s=26,
                     color=colours[i % len(colours)], marker=figures.MARKERS[i % len(figures.MARKERS)],
                     label=family, zorder=3)  # fmt: skip
    best = frontier(points, key)
    axes.plot([getattr(point, key) * scale for point in best], [point.top1 for point in best],
              color=figures.FAINT, linewidth=1, zorder=2)  # fmt: skip
    for point in best:
        axes.annotate(figures.short(point.name), (getattr(point, key) * scale, point.top1), (5, -3),
                      textcoords="offset points", fontsize=6, va="top")  # fmt: skip
    axes.set_xscale("log")
    axes.margins(0.12)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>accuracy against cost · mobilenets</title>
<style>
:root {{ --blue: #0072b2; --orange: #c25400; --green: #00805d; --purple: #aa5f91; --ink: #20242a;
  --faint: #8a9099; }}
body {{ margin: 2rem auto; max-width: 70rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: #20242a; }}
svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .875rem; }}
th, td {{ padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #e3e4e0; }}
.r {{ text-align: right; }}
</style>
</head>
<body>
<h1>Published accuracy against cost</h1>
<p>The line joins the networks that no other beats in both. {terms}</p>
{svg}
<table>
<thead><tr><th>network<th>family<th class=r>top-1, %<th class=r>MACs, M<th class=r>ms here</thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""
