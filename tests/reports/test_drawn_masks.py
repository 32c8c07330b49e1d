"""Masks as files keep their indices; laid over a photograph they keep its size and name what is there."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mobilenets.reports import masks
from mobilenets.reports.masks import draw_mask, palette_picture, shares
from mobilenets.reports.palette import area_colour

LABELS = [f"class {i}" for i in range(21)]


def test_a_palette_picture_holds_the_indices_through_a_file():
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    file = BytesIO()
    palette_picture(mask).save(file, format="PNG")
    read = Image.open(file)
    assert read.mode == "P"
    assert (np.asarray(read) == mask).all()
    assert read.convert("RGB").getpixel((3, 0)) == area_colour(3)


def test_classes_have_colours_of_their_own():
    assert len({area_colour(i) for i in range(21)}) == 21
    assert len({*map(tuple, masks._table()[[*range(21), 255]])}) == 22


@pytest.mark.parametrize("size", [(400, 300), (50, 40)])
def test_areas_are_tinted_in_place(size):
    image, mask = Image.new("RGB", size, (200, 200, 200)), np.zeros(size[::-1], np.uint8)
    mask[:, size[0] // 2 :] = 1
    drawn = np.asarray(draw_mask(image, mask, LABELS, legend="none")).astype(float)
    factor = 1 if size[0] == 400 else 7
    assert drawn.shape == (size[1] * factor, size[0] * factor, 3)
    for index, x in ((0, 3), (1, drawn.shape[1] - 3)):
        wanted = 0.4 * 200 + 0.6 * np.array(area_colour(index))
        assert np.abs(drawn[5, x] - wanted).max() <= 0.5
    border = drawn[5, drawn.shape[1] // 2 - 1]
    assert border.sum() < 0.5 * drawn[5, 3].sum()


def test_the_legend_names_what_is_there_and_nothing_else(monkeypatch):
    said = []
    fitting = masks.fitting
    monkeypatch.setattr(masks, "fitting", lambda text, *more: said.append(text) or fitting(text, *more))
    mask = np.full((100, 400), 2, np.uint8)
    mask[:60] = 7
    mask[99] = 255
    mask[98, 0] = 4
    drawn = draw_mask(Image.new("RGB", (400, 100)), mask, LABELS)
    assert said == ["class 7 61 %", "class 2 39 %", "class 4 <1 %", "not labelled"]
    assert drawn.width == 400
    assert drawn.height > 100


def test_a_long_legend_takes_more_rows():
    mask = (np.arange(400)[None] // 20 % 21).repeat(100, 0).astype(np.uint8)
    few, many = (draw_mask(Image.new("RGB", (400, 100)), m, LABELS).height for m in (mask * 0, mask))
    assert many > few + 40


def test_a_legend_of_all_classes_has_one_size_whatever_is_there():
    masks = [np.full((100, 400), i, np.uint8) for i in (0, 20)]
    sizes = {draw_mask(Image.new("RGB", (400, 100)), mask, LABELS, legend="all").size for mask in masks}
    assert len(sizes) == 1
    assert sizes.pop()[1] > 140
    crowd = draw_mask(Image.new("RGB", (400, 100)), masks[0], LABELS * 9, legend="all")
    assert crowd.size == (400, 100)


def test_shares_leave_ignored_pixels_out():
    assert shares(np.array([[0, 0, 1, 255]], np.uint8), 3) == pytest.approx([2 / 3, 1 / 3, 0])
    assert shares(np.full((2, 2), 255, np.uint8), 2) == [0, 0]
