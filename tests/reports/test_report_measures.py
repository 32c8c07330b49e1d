"""Scores per class against torchmetrics, the interval against a published table, snippets that compile."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassF1Score, MulticlassPrecision, MulticlassRecall

from mobilenets.reports.measures import interval, mixups, per_class, worst_first
from mobilenets.reports.usage import READINGS, snippets

LABELS = ["a", "b", "c", "d"]


def test_scores_equal_torchmetrics():
    torch.manual_seed(0)
    truth, guess = torch.randint(0, 4, (300,)), torch.randint(0, 4, (300,))
    matrix = torch.zeros(4, 4, dtype=torch.int64)
    matrix.index_put_((truth, guess), torch.tensor(1), accumulate=True)
    scores = per_class(matrix.tolist(), LABELS)
    assert [score.label for score in scores] == LABELS
    options = {"num_classes": 4, "average": None}
    for kind, name in [
        (MulticlassPrecision, "precision"),
        (MulticlassRecall, "recall"),
        (MulticlassF1Score, "f1"),
    ]:
        wanted = kind(**options)(guess, truth).tolist()
        assert [getattr(score, name) for score in scores] == pytest.approx(wanted, rel=1e-6)


def test_the_worst_comes_first_and_empty_classes_last():
    scores = worst_first(per_class([[9, 1, 0], [4, 6, 0], [0, 0, 0]], ["good", "bad", "none"]))
    assert [score.label for score in scores] == ["bad", "good", "none"]
    assert scores[-1].recall is None
    assert scores[-1].precision is None


def test_mixups_are_counted_per_direction():
    pairs = mixups([[5, 3, 0], [1, 9, 2], [0, 0, 1]], LABELS)
    assert [(p.truth, p.predicted, p.count) for p in pairs] == [("a", "b", 3), ("b", "c", 2), ("b", "a", 1)]
    assert pairs[0].share == 3 / 8


def test_the_interval_is_wilsons():
    """81 of 263 from Newcombe (1998), table I: 0.2553 to 0.3662."""
    assert interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert interval(1.0, 10)[1] == 1.0
    assert interval(0.0, 10)[0] == 0.0


@pytest.mark.parametrize("artifact", ["exports/it's.tflite", "exports/model.onnx", "model.safetensors"])
@pytest.mark.parametrize("labels", [[], ["cat", 'it\'s "x"\n'], ["x"] * 500])
def test_snippets_are_python(artifact, labels):
    card = {"preprocess": {"crop": 224, "resize": 256, "interpolation": "bicubic"}}
    found = snippets(artifact, card, labels)
    assert found
    for _, code in found:
        compile(code, "snippet", "exec")
        assert repr(artifact) in code


def test_the_reading_of_a_detector_tells_pixels(capsys):
    photo, labels = SimpleNamespace(height=100, width=200), ["a", "b"]
    outputs = [np.array([[0.1, 0.2, 0.5, 0.6], [0, 0, 0, 0]]), np.array([1.0, 0]), np.array([0.9, 0]), 1.0]
    code = READINGS["detect", "nms"].format(labels=labels)
    exec(code, {"photo": photo, "outputs": outputs})
    assert capsys.readouterr().out.split() == ["b", "90.0%", "40.0", "10.0", "120.0", "50.0"]


@pytest.mark.parametrize(
    ("artifact", "engine"),
    [("exports/it's.tflite", "LiteRT"), ("exports/model.onnx", "ONNX Runtime"), ("model.safetensors", None)],
)
@pytest.mark.parametrize(
    ("task", "outputs", "runs", "opens"),
    [
        ("detect", "nms", True, False),
        ("detect", "plain", False, False),
        ("detect", "mediapipe", False, True),
        ("segment", "argmax", True, False),
        ("segment", "scores", True, True),
        ("embed", "", True, True),
    ],
)
def test_snippets_of_other_tasks_are_python(artifact, engine, task, outputs, runs, opens):
    record = {"crop": 64, "resize": 64, "fit": "stretch"}
    found = dict(snippets(artifact, {"task": task, "outputs": outputs, "preprocess": record}, ["it's", "b"]))
    for code in found.values():
        compile(code, "snippet", "exec")
        assert repr(artifact) in code
    wanted = {"Python"} | ({engine} if engine and runs else set())
    assert found.keys() == wanted | ({"MediaPipe Tasks"} if engine == "LiteRT" and opens else set())
    assert all("photo.resize((64, 64)" in found[title] for title in wanted - {"Python"})
