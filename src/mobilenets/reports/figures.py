"""The figures of a run. The same data gives the same bytes; matplotlib is imported when one is drawn."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), told apart by people with any kind of colour vision; the page lightens them at night.
COLOURS = {"--blue": "#0072b2", "--orange": "#d55e00", "--green": "#009e73", "--purple": "#aa5f91"}
BLUE, ORANGE, GREEN, PURPLE = COLOURS.values()
MARKERS = "osD^vP"
INK, FAINT = "#20242a", "#8a9099"
LINES = (BLUE, ORANGE, GREEN, PURPLE, FAINT)
STROKES = ("-", "--", ":", "-.")
TOLD = 20  # classes up to which each curve has a name
NAMED = 30  # classes up to which a confusion matrix can be read
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mobilenets",  # otherwise ids are random
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,  # a class may be called $1$
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def style() -> Iterator[None]:
    """Our look, and no warning about letters that a font lacks."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def curves(
    rows: Sequence[dict[str, float | None]],
    best: dict[str, float | None] | None,
    metric: str = "top1",
    title: str = "top-1",
) -> "Figure":
    """Loss, metric and learning rate over the epochs; `rows` are those of metrics.csv, `best` is ringed."""
    with style():
        figure = blank(9.4, 2.7)
        loss, value, lr = figure.subplots(1, 3)
        _line(loss, rows, "train_loss", BLUE, label="train")
        _line(loss, rows, "val_loss", ORANGE, label="val", dashed=True)
        loss.set_title("loss")
        loss.legend()
        _line(value, rows, metric, GREEN, scale=100)
        value.set_title(f"{title} on val, %")
        if best is not None:
            _ring(value, _epoch(best, 0), best[metric] or 0.0)
        _line(lr, rows, "lr", PURPLE)
        lr.set_title("learning rate")
        for axes in (loss, value, lr):
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
        return figure


def precision_recall(classes: Sequence[dict[str, Any]]) -> "Figure":
    """Precision over recall at IoU 0.5, a line per class with its AP; of many classes grey lines and a mean.

    A class has `label`, `AP50` and `curve`, the precision at recalls from 0 to 1 in equal steps.
    """
    with style():
        figure = blank(7.6, 4.2)
        axes = figure.subplots()
        named = len(classes) <= TOLD
        for i, one in enumerate(classes):
            recalls = [100 * k / (len(one["curve"]) - 1) for k in range(len(one["curve"]))]
            line = {"color": LINES[i % len(LINES)], "linestyle": STROKES[i // len(LINES) % len(STROKES)],
                    "label": f"{short(one['label'])}  {one['AP50']:.1%}"}  # fmt: skip
            axes.plot(recalls, [100 * value for value in one["curve"]],
                      **(line if named else {"color": FAINT, "linewidth": 0.6, "alpha": 0.5}))  # fmt: skip
        if not named:
            steps = list(zip(*(one["curve"] for one in classes), strict=True))
            mean = [100 * sum(step) / len(step) for step in steps]
            axes.plot([100 * k / (len(mean) - 1) for k in range(len(mean))], mean, color=BLUE, label="mean")
        axes.set_xlim(0, 101)
        axes.set_ylim(0, 103)
        axes.set_xlabel("recall, %")
        axes.set_title("precision, %")
        figure.legend(loc="outside right upper")
        return figure


def bars(rows: Sequence[tuple[str, float]], title: str) -> "Figure":
    """A bar per name with its share, in the order given, which is from the top down."""
    with style():
        figure = blank(7.6, 0.7 + 0.26 * len(rows))
        axes = figure.subplots()
        axes.barh(range(len(rows)), [100 * value for _, value in rows], color=BLUE, height=0.68)
        for place, (_, value) in enumerate(rows):
            axes.annotate(
                f"{value:.1%}", (100 * value, place), (4, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(rows)), [short(name) for name, _ in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 108)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_title(title)
        return figure


def choice(points: Sequence[dict[str, Any]], budget_ms: float | None, margin: float, worth: str) -> "Figure":
    """Measured candidates: latency in ms across, `worth` up, the budget as a line.

    A point has `x`, `y`, `family`, `name` and `chosen`.
    """
    with style():
        figure = blank(7.6, 3.9)
        axes = figure.subplots()
        families = sorted({point["family"] for point in points})
        colours = (BLUE, GREEN, PURPLE, FAINT)
        for i, family in enumerate(families):
            of = [point for point in points if point["family"] == family]
            axes.scatter([p["x"] for p in of], [p["y"] for p in of], s=42, color=colours[i % len(colours)],
                         marker=MARKERS[i % len(MARKERS)], label=family, zorder=3)  # fmt: skip
        axes.margins(0.12)
        for point in (point for point in points if point["chosen"]):
            axes.scatter(point["x"], point["y"], s=190, facecolors="none", edgecolors=ORANGE, linewidths=2.2,
                         zorder=4)  # fmt: skip
            axes.annotate(point["name"], (point["x"], point["y"]), (0, -14), textcoords="offset points",
                          ha="center", va="top", color=ORANGE)  # fmt: skip
        if budget_ms is not None:
            _draw_budget(axes, budget_ms, margin)
        axes.set_xlim(left=0)
        axes.set_xlabel("measured latency, ms")
        axes.set_title(worth)
        figure.legend(loc="outside lower center", ncols=4)
        return figure


def path(costs: Sequence[float], values: Sequence[float], budget: float, unit: str, title: str) -> "Figure":
    """A way from one network to another: cost across, the metric (0 to 1) up, numbered from 0."""
    with style():
        figure = blank(7.6, 3.9)
        axes = figure.subplots()
        axes.plot(costs, [100 * value for value in values], color=BLUE, marker="o", markersize=5, zorder=3)
        for number, (cost, value) in enumerate(zip(costs, values, strict=True)):
            axes.annotate(str(number) if number else "start", (cost, 100 * value), (0, 6),
                          textcoords="offset points", ha="center", color=FAINT, fontsize=8)  # fmt: skip
        axes.axvline(budget, color=ORANGE, linestyle="--", linewidth=1.4)
        axes.annotate(f"budget {budget:.4g}", (budget, 0), (4, 4), xycoords=("data", "axes fraction"),
                      textcoords="offset points", rotation=90, va="bottom", color=ORANGE)  # fmt: skip
        axes.margins(0.1, 0.2)
        axes.set_xlabel(unit)
        axes.set_title(f"{title} on val, %")
        return figure


def before_after(rows: Sequence[tuple[str, float, float]], title: str) -> "Figure":
    """A pale bar of what was and a full one of what is left, for every name, from the top down."""
    with style():
        figure = blank(7.6, 0.8 + 0.2 * len(rows))
        axes = figure.subplots()
        places = range(len(rows))
        axes.barh(places, [before for _, before, _ in rows], color=FAINT, alpha=0.35, height=0.8)
        axes.barh(places, [after for _, _, after in rows], color=BLUE, height=0.5)
        for place, (_, before, after) in enumerate(rows):
            if after < before:
                axes.annotate(f"−{1 - after / before:.0%}", (before, place), (4, 0), fontsize=7,
                              textcoords="offset points", va="center", color=ORANGE)  # fmt: skip
        axes.set_yticks(places, [short(name) for name, _, _ in rows], fontsize=7)
        axes.invert_yaxis()
        axes.margins(x=0.08, y=0.01)
        axes.grid(visible=False, axis="y")
        axes.set_title(title)
        return figure


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> "Figure":
    """The confusion matrix as shares of each true class; class names and counts where they can be read."""
    shares = [[count / whole for count in row] for row in matrix for whole in [max(1, sum(row))]]
    with style():
        side = min(9.0, 2.2 + 0.34 * len(labels))
        figure = blank(side, side)
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if len(labels) <= NAMED:
            axes.set_xticks(range(len(labels)), [short(label) for label in labels], rotation=90)
            axes.set_yticks(range(len(labels)), [short(label) for label in labels])
            for i, row in enumerate(matrix):
                for j, count in enumerate(row):
                    if count:
                        axes.text(j, i, str(count), ha="center", va="center", fontsize=7,
                                  color="white" if shares[i][j] > 0.5 else INK)  # fmt: skip
        return figure


def short(label: str, most: int = 24) -> str:
    """A label cut to fit an axis."""
    return label if len(label) <= most else label[: most - 1] + "…"


def save(figure: "Figure", path: Path) -> str:
    """Write a figure as an SVG file, on a clear ground and without a date; returns its text.

    Raises StorageError.
    """
    text = drawn(figure)
    write_text(path, text)
    return text


def embedded(figure: "Figure", plots: Path, name: str) -> Any:
    """A figure saved in `plots` and, safe to stand in the page, as SVG: matplotlib escapes its texts."""
    from markupsafe import Markup

    return Markup(inline(save(figure, plots / f"{name}.svg"), name))  # noqa: S704


def drawn(figure: "Figure") -> str:
    """The text of a figure as SVG, on a clear ground and without a date."""
    text = StringIO()
    with style():
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def inline(svg: str, name: str) -> str:
    """An SVG for the body of a page: its ids made unique by `name`, its colours those of the page's theme."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", svg, count=1)
    for variable, colour in {**COLOURS, "--ink": INK, "--faint": FAINT}.items():
        # In styles only: a class may be called #0072b2.
        svg = re.sub(rf'(style="[^"]*?){colour}(?=[^"]*")', rf"\g<1>var({variable})", svg)
        svg = re.sub(rf'(style="[^"]*?){colour}(?=[^"]*")', rf"\g<1>var({variable})", svg)  # fill and stroke
    return svg


def blank(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, without pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _line(axes: "Axes", rows: Sequence[dict[str, float | None]], key: str, colour: str, *, scale: float = 1.0,
          label: str | None = None, dashed: bool = False) -> None:  # fmt: skip
    """One column over the epochs, where it has numbers."""
    points = [(_epoch(row, i), row[key] or 0.0) for i, row in enumerate(rows) if row.get(key) is not None]
    axes.plot([x for x, _ in points], [y * scale for _, y in points], color=colour, label=label,
              linestyle="--" if dashed else "-", marker="o" if len(points) < 30 else None,
              markersize=3)  # fmt: skip


def _ring(axes: "Axes", epoch: float, top1: float) -> None:
    """Ring an epoch and write its figure beside it."""
    axes.scatter(epoch, top1 * 100, s=70, facecolors="none", edgecolors=ORANGE, linewidths=1.8, zorder=4)
    axes.annotate(f"{top1:.1%}", (epoch, top1 * 100), (0, -9), textcoords="offset points", ha="center",
                  va="top", color=ORANGE)  # fmt: skip
    axes.margins(y=0.2)


def _epoch(row: dict[str, float | None], index: int) -> float:
    """The epoch of a row; its place in the file where the column is missing."""
    epoch = row.get("epoch")
    return index if epoch is None else epoch


def _draw_budget(axes: "Axes", budget_ms: float, margin: float) -> None:
    """The budget as a line, the margin that is kept free as a band before it."""
    axes.axvline(budget_ms, color=ORANGE, linestyle="--", linewidth=1.4)
    axes.axvspan(budget_ms * (1 - margin), budget_ms, color=ORANGE, alpha=0.1, linewidth=0)
    axes.annotate(f"budget {budget_ms:g} ms", (budget_ms, 1), (-4, -2), xycoords=("data", "axes fraction"),
                  textcoords="offset points", rotation=90, ha="right", va="top", color=ORANGE)  # fmt: skip
