"""Drawn boxes: each in its colour at its edges, all else untouched, tags apart and inside the picture."""

import numpy as np
import pytest
from PIL import Image

from mobilenets.reports import boxes
from mobilenets.reports.boxes import Drawn, draw_boxes
from mobilenets.reports.drawing import beside
from mobilenets.reports.palette import OKABE_ITO, dash, line_colour, luminance, readable_on

GREY = (128, 128, 128)


def drawn(size, *given, tags=False):
    return np.asarray(draw_boxes(Image.new("RGB", size, GREY), given, tags=tags))


@pytest.mark.parametrize(("size", "stroke"), [((640, 480), 2), ((1920, 1080), 6), ((320, 400), 2)])
def test_a_box_is_outlined_inside_its_own_pixels(size, stroke):
    picture = drawn(size, Drawn((40, 60, 200, 260), 0, "cat"))
    assert picture.shape == (size[1], size[0], 3)
    for inset in range(stroke):
        sides = (picture[100, 40 + inset], picture[100, 199 - inset], picture[60 + inset, 100],
                 picture[259 - inset, 100])  # fmt: skip
        assert all(tuple(pixel) == OKABE_ITO[0] for pixel in sides)
    untouched = np.full_like(picture, GREY)
    untouched[59:261, 39:201] = picture[59:261, 39:201]
    assert (picture == untouched).all()
    assert (picture[60 + stroke + 1 : 259 - stroke, 40 + stroke + 1 : 199 - stroke] == GREY).all()


def test_small_pictures_are_enlarged_with_their_boxes():
    picture = drawn((64, 48), Drawn((16, 12, 40, 36), 1, "cat"))
    assert picture.shape == (240, 320, 3)
    assert tuple(picture[100, 80]) == OKABE_ITO[1]
    assert tuple(picture[60, 120]) == OKABE_ITO[1]
    assert tuple(picture[179, 120]) == OKABE_ITO[1]


def test_classes_beyond_the_palette_are_dashed_in_the_same_colour():
    assert line_colour(8) == line_colour(1)
    assert [dash(i) is None for i in (0, 6, 7, 13, 14, 20, 21)] == [True, True, *[False] * 4, True]
    solid, dashed, dotted = (drawn((640, 480), Drawn((40, 60, 400, 460), i, "cat")) for i in (1, 8, 15))
    amounts = [
        int((picture[60, 40:400] == OKABE_ITO[1]).all(axis=-1).sum()) for picture in (solid, dashed, dotted)
    ]
    assert amounts[0] == 360
    assert 220 < amounts[1] < 280
    assert 150 < amounts[2] < 220
    for picture in (dashed, dotted):
        for y, x in ((60, 40), (60, 399), (459, 40), (459, 399)):  # the corners are there
            assert tuple(picture[y, x]) == OKABE_ITO[1]


def test_boxes_outside_and_without_area_are_drawn_at_the_border():
    for box in [(-50, -50, 900, 900), (700, 500, 800, 600), (10, 10, 10, 10), (-9, -9, -3, -3)]:
        picture = drawn((640, 480), Drawn(box, 2, "cat", 0.5), tags=True)
        assert (picture == OKABE_ITO[2]).all(axis=-1).any()


def test_the_surest_box_lies_on_top():
    pair = [Drawn((40, 60, 200, 260), 0, "cat", 0.9), Drawn((40, 60, 200, 260), 1, "dog", 0.4)]
    assert tuple(drawn((640, 480), *pair)[100, 40]) == OKABE_ITO[0]
    assert (drawn((640, 480), *pair) == drawn((640, 480), *pair[::-1])).all()


@pytest.mark.parametrize("size", [(64, 64), (640, 480), (2400, 1800)])
def test_tags_do_not_hide_each_other(size, monkeypatch):
    places = []
    tag = boxes._tag
    monkeypatch.setattr(boxes, "_tag", lambda *args: places.append(tag(*args)) or places[-1])
    width, height = size
    box = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
    drawn(size, *(Drawn(box, i, "cat", 0.9 - i / 10) for i in range(4)), tags=True)
    assert len(set(places)) == 4
    assert not any(boxes._meet(a, b) for i, a in enumerate(places) for b in places[:i])
    factor = 5 if size == (64, 64) else 1
    assert all(0 <= x1 < x2 < width * factor and 0 <= y1 < y2 < height * factor for x1, y1, x2, y2 in places)


def test_in_a_crowd_the_surest_are_named():
    box = (20, 20, 60, 60)
    crowd = [Drawn(box, 0, "cat", 0.9 - i / 100) for i in range(60)]
    assert (drawn((640, 480), *crowd, tags=True) == drawn((640, 480), *crowd[:20], tags=True)).all()
    assert (drawn((640, 480), *crowd[:20], tags=True) != drawn((640, 480), *crowd[:2], tags=True)).any()


def test_a_tag_says_label_and_score_in_letters_that_stand_out():
    box = (100, 100, 300, 300)
    texts = {drawn((640, 480), Drawn(box, 0, *said), tags=True).tobytes() for said in
             [("cat", 0.5), ("cat", 0.6), ("dog", 0.5), ("cat", None)]}  # fmt: skip
    assert len(texts) == 4
    for label in ("x" * 900, "two\nlines", "猫 🐈", "\ud800", ""):
        drawn((640, 480), Drawn(box, 0, label, 0.5), tags=True)
    for colour in OKABE_ITO:
        light, dark = sorted((luminance(colour), luminance(readable_on(colour))))
        assert (dark + 0.05) / (light + 0.05) >= 4.5  # WCAG 2.2, level AA


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_any_mode_and_the_given_image_stays(mode):
    image = Image.new(mode, (400, 300))
    before = image.tobytes()
    assert draw_boxes(image, [Drawn((1, 1, 90, 90), 0, "cat", 1.0)]).mode == "RGB"
    assert image.tobytes() == before


def test_pictures_side_by_side_stand_under_their_captions():
    left, right = Image.new("RGB", (200, 100), "red"), Image.new("RGB", (200, 100), "blue")
    both = np.asarray(beside([("annotated", left), ("predicted", right)]))
    bar = both.shape[0] - 100
    assert both.shape[1] == 400 + max(4, bar // 4)
    assert (both[bar:, :200] == (255, 0, 0)).all()
    assert (both[bar:, -200:] == (0, 0, 255)).all()
    assert both[:bar, :200].max() > 200
