"""The figures of a search."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilenets.reports.figures import BLUE, FAINT, GREEN, INK, MARKERS, ORANGE, PURPLE, blank, short, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KERNELS = {1: FAINT, 3: BLUE, 5: GREEN, 7: PURPLE}  # colours of blocks
WINDOW = 10  # trials whose mean reward is drawn


class Drawn(NamedTuple):
    """A block as it is drawn: what is written into it, its kernel, channels and side of its output, whether
    it has squeeze-and-excitation.
    """

    text: str
    kernel: int
    channels: int
    side: int
    squeezes: bool


def front(found: dict[str, Any], title: str) -> "Figure":
    """Every trial by cost and metric, those that no other beats joined, networks of the zoo beside them."""
    ended = [one for one in found["trials"] if one["quality"] is not None]
    leading, best = found["front"], found["best_that_fits"]
    scale = 1.0 if all(one["cost"] < 1e4 for one in [*ended, *leading]) else 1e-6
    with style():
        figure = blank(7.6, 4.2)
        axes = figure.subplots()
        axes.scatter([scale * one["cost"] for one in ended], [100 * one["quality"] for one in ended], s=14,
                     color=FAINT, alpha=0.6, label="trials")  # fmt: skip
        axes.step([scale * one["cost"] for one in leading], [100 * one["quality"] for one in leading],
                  where="post", color=BLUE, marker="o", markersize=4, zorder=3,
                  label="not beaten by any other")  # fmt: skip
        if best:
            axes.scatter(scale * best["cost"], 100 * best["quality"], s=190, facecolors="none",
                         edgecolors=ORANGE, linewidths=2.2, zorder=4, label="the best that fits")  # fmt: skip
        for index, one in enumerate(found["beside"]):
            axes.scatter(scale * one["cost"], 100 * one["quality"], s=46, color=PURPLE,
                         marker=MARKERS[1 + index % (len(MARKERS) - 1)], zorder=4,
                         label=one["name"])  # fmt: skip
        axes.axvline(scale * found["budget"], color=ORANGE, linestyle="--", linewidth=1.4)
        axes.set_xlabel(("" if scale == 1 else "millions of ") + found["unit"])
        axes.set_title(f"{title} on val after the short training, %")
        figure.legend(loc="outside lower center", ncols=3)
        return figure


def rewards(trials: Sequence[dict[str, Any]]) -> "Figure":
    """The reward of every trial in the order in which they ended, its running mean, and the best so far."""
    known = [(k + 1, one["reward"]) for k, one in enumerate(trials) if one["reward"] is not None]
    with style():
        figure = blank(7.6, 3.2)
        axes = figure.subplots()
        places, values = [place for place, _ in known], [value for _, value in known]
        axes.scatter(places, values, s=12, color=FAINT, alpha=0.6, label="a trial")
        means = [sum(values[max(0, k - WINDOW + 1) : k + 1]) / min(WINDOW, k + 1) for k in range(len(values))]
        axes.plot(places, means, color=BLUE, label=f"mean of the last {WINDOW}")
        axes.plot(places, [max(values[: k + 1]) for k in range(len(values))], color=ORANGE,
                  drawstyle="steps-post", label="best so far")  # fmt: skip
        axes.set_xlabel("trials")
        axes.set_title("reward")
        figure.legend(loc="outside lower center", ncols=3)
        return figure


def networks(several: Sequence[tuple[str, Sequence[Drawn]]]) -> "Figure":
    """Networks as rows of blocks: as high as they have channels, coloured by kernel, the hidden channels
    written inside, a line on top for squeeze-and-excitation, the sides of maps below.
    """
    from matplotlib.patches import Rectangle

    most = max((one.channels for _, row in several for one in row), default=1) ** 0.5
    with style():
        figure = blank(7.6, 0.4 + 1.15 * max(1, len(several)))
        rows = figure.subplots(max(1, len(several)), squeeze=False)[:, 0]
        for axes, (title, row) in zip(rows, several, strict=False):
            for k, one in enumerate(row):
                high = one.channels**0.5 / most
                colour = KERNELS.get(one.kernel, ORANGE)
                axes.add_patch(
                    Rectangle((k + 0.06, 0), 0.88, high, facecolor=colour, alpha=0.75, linewidth=0)
                )
                if one.squeezes:
                    axes.plot([k + 0.06, k + 0.94], [high, high], color=ORANGE, linewidth=2.5)
                axes.annotate(one.text, (k + 0.5, 0.03), ha="center", va="bottom", fontsize=5, rotation=90,
                              color=INK)  # fmt: skip
                if k == len(row) - 1 or row[k + 1].side != one.side:
                    axes.annotate(f"{one.side}²", (k + 0.94, -0.03), ha="right", va="top", fontsize=6,
                                  color=FAINT, annotation_clip=False)  # fmt: skip
            axes.set_xlim(0, max(len(each) for _, each in several))
            axes.set_ylim(-0.16, 1.1)
            axes.set_title(title, fontsize=8)
            axes.axis("off")
        handles = [Rectangle((0, 0), 1, 1, facecolor=colour, label=f"kernel {kernel}")
                   for kernel, colour in KERNELS.items()]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return figure


def marginals(rows: Sequence[tuple[str, Sequence[tuple[str, float, float]]]]) -> "Figure":
    """For every decision its options: a pale bar for the share of all trials, a full one for the best."""
    places, names = [], []
    with style():
        count = sum(len(options) for _, options in rows) + len(rows)
        figure = blank(7.6, 0.8 + 0.115 * max(6, count))
        axes = figure.subplots()
        place = 0.0
        for name, options in rows:
            for k, (option, every, top) in enumerate(options):
                axes.barh(place, 100 * every, color=FAINT, alpha=0.35, height=0.9)
                axes.barh(place, 100 * top, color=BLUE, height=0.5)
                places.append(place)
                names.append(f"{short(name)}  {option}" if k == 0 else option)
                place += 1
            place += 0.8
        axes.set_yticks(places, names, fontsize=5)
        axes.invert_yaxis()
        axes.margins(x=0.02, y=0.005)
        axes.grid(visible=False, axis="y")
        axes.set_title("share of all trials (pale) and of the fifth with the highest reward, %")
        return figure


def predicted(finalists: dict[str, Any], unit: str) -> "Figure | None":
    """What networks take when measured against what the table said; None where one of both was not there."""
    points = [one for one in finalists.get("measured") or [] if one["measured"] is not None]
    if all(one["measured"] == one["predicted"] for one in points):
        return None
    with style():
        figure = blank(3.8, 3.4)
        axes = figure.subplots()
        said, took = [one["predicted"] for one in points], [one["measured"] for one in points]
        axes.scatter(said, took, color=BLUE, s=30, zorder=3)
        low, high = min(*said, *took), max(*said, *took)
        axes.plot([low, high], [low, high], color=FAINT, linewidth=1)
        axes.set_xlabel(f"predicted, {unit}")
        axes.set_title(f"measured, {unit}")
        return figure
