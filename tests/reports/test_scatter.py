"""The scatter: the frontier, the files, and names that cannot break a page."""

from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from mobilenets.base.errors import UsageError
from mobilenets.reports.scatter import Point, frontier, scatter, write_scatter

POINTS = [
    Point("small", "mobilenet_v3", 60.0, 50e6, 1.0),
    Point("large", "mobilenet_v3", 75.0, 220e6, 5.0),
    Point("beaten", "mobilenet_v2", 70.0, 300e6, 6.0),
    Point("<b>&", "mobilenet_v1", 72.0, 100e6),
]


def test_the_frontier_is_what_no_other_beats():
    assert [point.name for point in frontier(POINTS, "macs")] == ["small", "<b>&", "large"]
    assert [point.name for point in frontier(POINTS, "ms")] == ["small", "large"]
    same = [Point("a", "f", 70, 1e6), Point("b", "f", 71, 1e6)]
    assert [point.name for point in frontier(same, "macs")] == ["b"]


def test_latency_is_a_second_panel_only_where_it_was_measured():
    assert len(scatter(POINTS).axes) == 2
    bare = scatter([point._replace(ms=None) for point in POINTS])
    assert [axes.get_xlabel() for axes in bare.axes] == ["multiply-accumulates, M"]
    drawn = [tuple(offset) for part in bare.axes[0].collections for offset in part.get_offsets()]
    assert sorted(drawn) == [(50, 60), (100, 72), (220, 75), (300, 70)]


def test_files_are_what_their_names_say(tmp_path):
    for suffix in (".png", ".svg", ".html"):
        write_scatter(tmp_path / f"plot{suffix}", POINTS, "measured <somewhere>")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
    assert ET.fromstring((tmp_path / "plot.svg").read_text()).tag.endswith("svg")
    page = (tmp_path / "plot.html").read_text()
    for text in ("&lt;b&gt;&amp;", "measured &lt;somewhere&gt;", "<svg", "220.0", "5.00", "var(--blue)"):
        assert text in page
    assert "<b>" not in page
    assert "http-equiv" in page
    assert "src=" not in page.replace("default-src", "").replace("style-src", "")


@pytest.mark.parametrize(("name", "points", "message"), [
    ("plot.pdf", POINTS, "ends in .html, .png, .svg, got 'plot.pdf'"),
    ("plot.png", [], "nothing to plot"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(tmp_path, name, points, message):
    with pytest.raises(UsageError, match=message):
        write_scatter(tmp_path / name, points)
    assert not list(tmp_path.iterdir())
