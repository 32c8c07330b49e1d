"""What a file reaches is held against what its model reaches."""

from pathlib import Path

import pytest

from mobilenets.base.errors import ParityError
from mobilenets.jobs import verify as job
from mobilenets.jobs.fit import fit


@pytest.mark.parametrize(
    ("value", "in_torch", "n", "refused"),
    [
        (0.90, 0.90, 100, False),
        (0.87, 0.90, 100, False),  # a few images of a hundred
        (0.85, 0.90, 100, True),
        (0.93, 0.90, 100, False),
        (0.95, 0.90, 100, True),  # better is other, too
        (0.885, 0.90, 2000, True),
        (0.50, 0.75, 4, False),
    ],
)
def test_a_file_may_differ_by_a_few_images(value, in_torch, n, refused):
    if not refused:
        job._refuse_other_metric(Path("model.tflite"), "top1", value, in_torch, n)
        return
    with pytest.raises(ParityError, match=r"model\.tflite reaches top1 0\..*, the model in torch 0\.9000"):
        job._refuse_other_metric(Path("model.tflite"), "top1", value, in_torch, n)


def test_a_run_whose_file_computes_something_else_is_not_done(fitted, shapes, tmp_path, monkeypatch):
    """The file is scored with its classes in another order: no parity of single outputs would be asked."""
    from mobilenets.jobs import score as scoring

    real = scoring.score

    def score(session, dataset, split, name="the model", **more):
        found = real(session, dataset, split, name, **more)
        if name.endswith(".tflite"):
            found.scores[:] = found.scores[:, ::-1].copy()
        return found

    monkeypatch.setattr(scoring, "score", score)
    asked = {
        "model": "mobilenet_v3_small",
        "width": 0.35,
        "resolution": 32,
        "weights": str(fitted[0] / "model.safetensors"),
    }
    with pytest.raises(ParityError, match="the file computes something else"):
        fit(shapes, budget="100ms", out=tmp_path / "run", settings={"epochs": 1, "lr": 1e-6}, **asked)
    assert not (tmp_path / "run" / "result.json").exists()
