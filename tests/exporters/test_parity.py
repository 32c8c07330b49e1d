"""The comparison that stands between a draft and its place."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, Classifier, Conv, Dialect
from mobilenets.base.errors import ParityError
from mobilenets.exporters.parity import TOLERANCE, compare, reference
from mobilenets.nn import build

ARCH = Arch("tiny", 16, (Conv(3, 8, 2),), Classifier(1000), Dialect("torchvision", 1e-5, 0.1))
CARD = Card("classify", ARCH, tuple(f"class {i}" for i in range(1000)), Preprocess(16, 16))
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)


class Answers:
    """A session that gives what it was told to."""

    def __init__(self, rows):
        self.rows, self.at = rows, 0

    def outputs(self, pixels):
        self.at += len(pixels)
        return (self.rows[self.at - len(pixels) : self.at],)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build(ARCH).eval()


def test_the_same_answers_pass(network):
    rows = reference(network, CARD, PIXELS)[0].copy()
    parity = compare(network, CARD, Answers(rows), PIXELS, Path("x.tflite"))
    assert (parity.n, parity.max_abs, parity.agreement) == (20, 0.0, 1.0)


@pytest.mark.parametrize("spoil", ["one", "shuffled", "nan", "shape"])
def test_other_answers_fail_even_where_probabilities_are_small(network, spoil):
    """Untrained, 1000 classes get 0.001 each: an absolute bound would let anything pass."""
    rows = reference(network, CARD, PIXELS)[0].copy()
    match spoil:
        case "one":
            rows[3, 5] += 3 * TOLERANCE * rows[3].max()
        case "shuffled":
            rows = rows[:, np.random.default_rng(0).permutation(1000)]
        case "nan":
            rows[0, 0] = np.nan
        case "shape":
            rows = rows[:, :-1]
    with pytest.raises(ParityError, match=r"x\.tflite") as caught:
        compare(network, CARD, Answers(rows), PIXELS, Path("x.tflite"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("apart", "passes"), [(0.5, True), (3.0, False)])
def test_a_tie_may_fall_either_way(network, apart, passes):
    twins = deepcopy(network)
    with torch.no_grad():
        for parameter in twins.head.classifier.parameters():
            parameter[1] = parameter[0]
        twins.head.classifier.bias[:2] = 5.0  # the first two are the best, and equal
    rows = reference(twins, CARD, PIXELS)[0].copy()
    rows[3, 1] += apart * TOLERANCE * rows[3, 0]
    if passes:
        assert compare(twins, CARD, Answers(rows), PIXELS, Path("x.tflite")).agreement == 19 / 20
        return
    with pytest.raises(ParityError):
        compare(twins, CARD, Answers(rows), PIXELS, Path("x.tflite"))
