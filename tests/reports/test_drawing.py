"""Drawn predictions: the picture stays, the caption is there, no name and no mode breaks it."""

import numpy as np
import pytest
from PIL import Image

from mobilenets.reports.drawing import draw_prediction


@pytest.mark.parametrize("label", ["cat", "", "猫 🐈 Käse", "x" * 500, "two\nlines", "\ud800", "مرحبا"])
def test_any_label_can_be_drawn(label):
    picture = draw_prediction(Image.new("RGB", (320, 200), "red"), label, 0.93)
    assert picture.mode == "RGB"
    assert picture.size == (320, 232)
    assert np.asarray(picture)[:200].reshape(-1, 3).std(axis=0).max() == 0  # the picture itself is untouched
    assert np.asarray(picture)[200:].max() > 200  # light letters


def test_different_words_look_different():
    image = Image.new("RGB", (320, 200))
    drawn = {draw_prediction(image, label, score).tobytes() for label, score in
             [("cat", 0.5), ("dog", 0.5), ("cat", 0.6)]}  # fmt: skip
    assert len(drawn) == 3


def test_letters_the_font_lacks_become_question_marks():
    image = Image.new("RGB", (320, 200))
    assert draw_prediction(image, "猫", 0.5).tobytes() == draw_prediction(image, "?", 0.5).tobytes()
    assert draw_prediction(image, "Käse", 0.5).tobytes() != draw_prediction(image, "K?se", 0.5).tobytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (32, 32), (3000, 20)])
def test_any_mode_and_size(mode, size):
    picture = draw_prediction(Image.new(mode, size), "cat", 1.0)
    assert picture.width >= 80
    assert max(picture.size) <= 1280 + 64
