import csv
import json

import numpy as np
import pytest
from PIL import Image

from mobilenets.arch import card as cards
from mobilenets.base.errors import ConfigMismatch, DataError, RunError, UnknownName, UsageError, WeightsError
from mobilenets.base.files import read_json
from mobilenets.base.run import Run
from mobilenets.jobs.benchmark import benchmark
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.export import export
from mobilenets.jobs.fit import fit
from mobilenets.jobs.predict import predict
from mobilenets.jobs.train import train


def test_the_result_is_what_was_asked(fitted, shapes):
    out, result, _ = fitted
    assert result["artifact"] == str(out / "exports/model.tflite")
    assert (result["task"], result["metric"], result["n"], result["split"]) == (
        "classify",
        "top1",
        16,
        "test",
    )
    assert (result["budget_ms"], result["met"], result["weights"]) == (50, True, "none")
    assert result["value"] >= 0.8  # discs and squares are easily told apart
    assert 0 < result["latency_ms"] < 50
    run = Run(out)
    stored = read_json(run.result)
    assert abs(stored["torch_value"] - stored["value"]) <= 1 / 16
    assert np.array(stored["confusion"]).sum() == 16
    assert np.trace(stored["confusion"]) == round(16 * result["value"])
    assert run.report.stat().st_size > 10_000
    assert read_json(run.status)["state"] == "done"
    assert [row["meets"] for row in read_json(run.candidates)["candidates"]] == [True]


def test_a_second_call_repeats_nothing(fitted, shapes, monkeypatch):
    out, result, asked = fitted
    before = {
        path: path.stat().st_mtime_ns for path in (out / "model.safetensors", out / "exports/model.tflite")
    }
    assert fit(shapes, budget="50ms", out=out, **asked) == result
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_settings_in_the_same_folder_are_refused(fitted, shapes):
    out, _, asked = fitted
    with pytest.raises(ConfigMismatch, match="budget: '50ms' there, '20ms' now"):
        fit(shapes, budget="20ms", out=out, **asked)


def test_every_form_gives_the_same_answer(fitted, shapes, tmp_path):
    out, result, _ = fitted
    onnx = export(out, to="onnx")["artifact"]
    forms = [out, out / "model.safetensors", out / "checkpoints/best.safetensors", result["artifact"], onnx]
    figures = [evaluate(form, shapes) for form in forms]
    assert {(figure["n"], figure["top1"], figure["split"]) for figure in figures} == {
        (16, result["value"], "test")
    }
    said = [predict(form, shapes / "test")["predictions"] for form in forms]
    assert all(
        [(item["file"], item["index"], item["label"]) for item in items]
        == [(item["file"], item["index"], item["label"]) for item in said[0]]
        for items in said
    )
    assert all(
        item["score"] == pytest.approx(first["score"], abs=1e-3)
        for item, first in zip(said[3], said[0], strict=True)
    )
    assert evaluate(out, shapes, target="litert:cpu:1")["target"].startswith("litert")


def test_the_file_carries_labels_metric_and_command(fitted):
    from mobilenets.runtimes import open_session, parse_target

    _, result, _ = fitted
    card = open_session(result["artifact"], parse_target("litert:cpu:1")).card
    assert card.labels == ("disc", "square")
    assert card.metric == {"name": "top1", "value": result["value"], "n": 16, "split": "test"}
    assert cards.loads(cards.dumps(card)) == card


def test_predictions_are_written(fitted, shapes, tmp_path):
    out, _, _ = fitted
    document = predict(
        out, [shapes / "test/disc", shapes / "test/square/30.png"], top=2, out=tmp_path / "seen"
    )
    assert [len(item["top"]) for item in document["predictions"]] == [2] * 9
    assert json.loads((tmp_path / "seen/predictions.json").read_text()) == document
    rows = list(csv.DictReader((tmp_path / "seen/predictions.csv").open()))
    assert [row["label"] for row in rows] == [item["label"] for item in document["predictions"]]
    assert len(list((tmp_path / "seen").glob("*.jpg"))) == 9
    predict(out, shapes / "test", out=tmp_path / "seen.csv")
    assert len((tmp_path / "seen.csv").read_text().splitlines()) == 17


def test_a_corrupt_image_among_good_ones_is_skipped(fitted, shapes, tmp_path):
    out, _, _ = fitted
    for i in range(30):
        Image.new("RGB", (40, 40), (8 * i, 0, 0)).save(tmp_path / f"{i:02}.png")
    (tmp_path / "07.png").write_bytes(b"no image")
    document = predict(out, tmp_path)
    assert len(document["predictions"]) == 29
    assert [item["file"] for item in document["skipped"]] == [str(tmp_path / "07.png")]
    (tmp_path / "08.png").write_bytes(b"")
    with pytest.raises(DataError, match="2 of 30 images cannot be read"):
        predict(out, tmp_path)
    (tmp_path / "08.png").unlink()
    (tmp_path / "__MACOSX").mkdir()
    for name in ("__MACOSX/09.png", ".10.png"):
        (tmp_path / name).write_bytes(b"what systems leave behind")
    assert len(predict(out, tmp_path)["predictions"]) == 28


def test_benchmark_states_its_terms(fitted):
    out, _result, _ = fitted
    names = [str(out), "mobilenet_v3_small"]
    with pytest.raises(UsageError, match="already says"):
        evaluate(out, "signs", width=0.5)
    with pytest.raises(UsageError, match="already says its --resolution"):
        benchmark(names[0], resolution=32)
    rows = benchmark(names, width=0.35, resolution=32, seconds=0.3)["results"]
    assert [row["model"] for row in rows] == names
    for row in rows:
        assert row["target"] == "litert:cpu:1"
        assert row["median_ms"] > 0
        assert row["runs"] >= 10
        assert 0 < row["floor_ms"] < row["median_ms"]
        assert row["percent_of_ceiling"] == pytest.approx(100 * row["floor_ms"] / row["median_ms"])


def test_classes_are_matched_by_name(fitted, tmp_path):
    out, _, _ = fitted
    for label in ("disc", "triangle"):
        for i in range(2):
            path = tmp_path / label / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (40, 40), (90 * i, 0, 0)).save(path)
    with pytest.raises(DataError, match=r"class 'triangle', which .* does not know; it knows disc, square"):
        evaluate(out, tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": "mobilenet_v9"}, UnknownName, "did you mean mobilenet_v"),
        ({"target": "litrt:cpu:1"}, UnknownName, "did you mean litert"),
        ({"budget": "5"}, UsageError, "needs a unit"),
        ({"task": "sing"}, UnknownName, "no task 'sing'"),
        ({"margin": 1.5}, UsageError, "margin must be from 0"),
        ({"resolution": 7}, UsageError, "resolution must be"),
        ({"settings": {"epoch": 3}}, UnknownName, "did you mean epochs"),
        ({"data": "nowhere"}, DataError, "does not exist"),
    ],
)
def test_wrong_usage_leaves_nothing_behind(shapes, tmp_path, changes, error, message):
    asked = {"data": shapes, "budget": "50ms", "out": tmp_path / "run", **changes}
    with pytest.raises(error, match=message):
        fit(**asked)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_refused(fitted, shapes, tmp_path):
    out, _, _ = fitted
    with pytest.raises(WeightsError) as caught:
        train(
            shapes, model="mobilenet_v2", weights=str(out / "model.safetensors"), out=tmp_path, resolution=32
        )
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="does not exist"):
        train(shapes, model="mobilenet_v2", weights="gone.pth", out=tmp_path / "b", resolution=32)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        evaluate(tmp_path, "signs")


def test_published_weights_that_cannot_be_had(shapes, tmp_path, monkeypatch, capsys):
    from mobilenets import weights

    def offline(*args, **kwargs):
        raise WeightsError("cannot download; check the connection")

    monkeypatch.setattr(weights, "load_weights", offline)
    with pytest.raises(WeightsError, match="cannot download"):
        train(shapes, model="mobilenet_v3_small", width=1.0, resolution=32, out=tmp_path / "train")
    fast = {"epochs": 1, "batch_size": 8}
    result = fit(
        shapes, budget="1s", model="mobilenet_v3_small", resolution=32, out=tmp_path / "fit", settings=fast
    )
    assert result["weights"] == "none"
    assert capsys.readouterr().err.count("training from scratch instead") == 1
