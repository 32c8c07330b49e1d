import csv
import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mobilenets.arch import card as cards
from mobilenets.arch.preprocess import Preprocess
from mobilenets.base.errors import (
    BudgetError,
    ConfigMismatch,
    DataError,
    RunError,
    UnknownName,
    UsageError,
    WeightsError,
)
from mobilenets.base.files import read_json
from mobilenets.base.run import Run
from mobilenets.data.load import load_dataset
from mobilenets.jobs.benchmark import benchmark
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.export import export
from mobilenets.jobs.fit import fit
from mobilenets.jobs.predict import predict
from mobilenets.jobs.subject import sample_pixels
from mobilenets.jobs.train import train
from mobilenets.runtimes import read_card


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
    assert fit(f"{shapes}/", budget="50ms", out=out, **asked) == result
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_verified_run_is_not_trained_again_and_a_lost_file_is_made_again(fitted, shapes, tmp_path):
    out, result, asked = fitted
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    shutil.rmtree(copy / "checkpoints")
    again = fit(shapes, budget="50ms", out=copy, **asked)
    assert (again["value"], again["latency_ms"]) == (result["value"], result["latency_ms"])
    assert not (copy / "checkpoints").exists()
    shutil.rmtree(copy / "exports")
    shutil.copytree(out / "checkpoints", copy / "checkpoints")
    again = fit(shapes, budget="50ms", out=copy, **asked)
    assert again["value"] == result["value"]
    assert Path(again["artifact"]).is_file()


def test_a_run_among_the_images_is_refused(shapes):
    with pytest.raises(UsageError, match=r"lies among the images of .*; give another --out"):
        fit(shapes, budget="50ms", out=shapes / "train/runs/fit")
    assert not (shapes / "train/runs").exists()


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
    listed = [(item["file"], one["label"]) for item in document["predictions"] for one in item["top"]]
    assert [(row["file"], row["label"]) for row in rows] == listed
    assert len(list((tmp_path / "seen").glob("*.jpg"))) == 9
    shutil.copytree(shapes / "test/disc", tmp_path / "discs")
    for _ in range(2):  # what the first drew is none of the second's images
        document = predict(out, tmp_path / "discs", out=tmp_path / "discs/seen")
        assert len(document["predictions"]) == 8
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
            Image.new("RGB", (40, 40), (90 * i, len(label), 0)).save(path)
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
        ({"task": "embed", "settings": {"mixup": 0.2}}, UsageError, "mixup blends classes of whole images"),
        ({"task": "embed", "settings": {"class_weights": "balanced"}}, UsageError, "class_weights are for"),
        ({"task": "embed", "val": 0.04}, DataError, "no class has two images in the val split"),
    ],
)
def test_wrong_usage_leaves_nothing_behind(shapes, tmp_path, changes, error, message):
    asked = {"data": shapes, "budget": "50ms", "out": tmp_path / "run", **changes}
    with pytest.raises(error, match=message):
        fit(**asked)
    assert not (tmp_path / "run").exists()


def test_other_images_are_refused_and_change_nothing(fitted, shapes, tmp_path):
    out, _, asked = fitted
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    shutil.copytree(shapes, tmp_path / "more")
    shutil.copy(next((shapes / "train/disc").iterdir()), tmp_path / "more/train/square/new.png")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    (copy / "config.yaml").write_text(yaml.safe_dump({**config, "data": str(tmp_path / "more")}))
    kept = {path: path.read_bytes() for path in (copy / "dataset.json", copy / "status.json")}
    with pytest.raises(ConfigMismatch, match=r"are not those that .*run began with; use another --out"):
        fit(tmp_path / "more", budget="50ms", out=copy, **asked)
    assert {path: path.read_bytes() for path in kept} == kept


def test_the_status_says_when_nothing_meets_the_budget(shapes, tmp_path):
    with pytest.raises(BudgetError):
        fit(shapes, budget="1us", model="mobilenet_v3_small", width=0.35, resolution=32, weights="none",
            out=tmp_path)  # fmt: skip
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["stage"], status["state"]) == ("choose", "failed")
    assert "closest" in status["reason"]


def test_a_run_is_judged_on_images_that_it_was_not_trained_on(fitted, shapes, tmp_path, monkeypatch):
    out, _, _ = fitted
    copy, seen = tmp_path / "run", []
    shutil.copytree(out, copy)
    told = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**told, "val": 0.25, "seed": 3}))
    module = importlib.import_module("mobilenets.jobs.evaluate")

    def score(session, dataset, *rest, **more):
        seen.append(dataset.val)
        return real(session, dataset, *rest, **more)

    real = module.score
    monkeypatch.setattr(module, "score", score)
    whole = shapes / "train"  # has no val split of its own
    for model in (copy, copy / "model.safetensors", copy / "exports/model.tflite"):
        evaluate(model, whole)
    evaluate(copy, whole, seed=4)
    cut = [load_dataset(whole, 0.25, seed)[0].val for seed in (3, 4)]
    assert cut[0] != cut[1]
    assert seen == [cut[0]] * 3 + [cut[1]]


def test_a_run_is_judged_on_all_of_other_images(fitted, shapes, tmp_path, capsys):
    out, _, _ = fitted
    for split in ("train", "test"):
        shutil.copytree(shapes / split, tmp_path / "others", dirs_exist_ok=True)
    (next((tmp_path / "others").rglob("*.png"))).unlink()
    every = sum(1 for _ in (tmp_path / "others").rglob("*.png"))
    document = evaluate(out, tmp_path / "others")
    assert (document["split"], document["n"]) == ("all", every)
    assert "was trained on other images: all of" in capsys.readouterr().err
    assert evaluate(out, tmp_path / "others", split="val")["n"] < every
    assert evaluate(out, shapes, split="all")["n"] == sum(1 for _ in shapes.rglob("*.png"))


def test_a_file_that_says_no_split_is_judged_with_a_warning(fitted, shapes, tmp_path, capsys):
    out, _, _ = fitted
    shutil.copy(out / "exports/model.tflite", tmp_path / "copy.tflite")
    evaluate(tmp_path / "copy.tflite", shapes / "train")
    assert (
        "the val split is cut here, and a model that was trained on these images" in capsys.readouterr().err
    )
    evaluate(tmp_path / "copy.tflite", shapes / "train", seed=0)
    evaluate(tmp_path / "copy.tflite", shapes)
    evaluate(out, shapes / "train")
    assert "is cut here" not in capsys.readouterr().err


def test_a_file_made_again_says_what_the_run_reached(fitted, tmp_path):
    out, result, _ = fitted
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    assert export(copy)["artifact"] == str(copy / "exports/model.tflite")
    metric = read_card(copy / "exports/model.tflite").metric
    assert (metric["value"], metric["split"]) == (result["value"], "test")
    elsewhere = export(copy, out=tmp_path / "other.tflite")["artifact"]
    assert read_card(Path(elsewhere)).metric["split"] == "val"


def test_images_to_compare_on_come_from_a_table_too(fitted, shapes, tmp_path, monkeypatch):
    out, _, _ = fitted
    module, seen = importlib.import_module("mobilenets.jobs.export"), []
    monkeypatch.setattr(
        module, "sample_pixels", lambda record, paths: seen.append(paths) or real(record, paths)
    )
    real = importlib.import_module("mobilenets.jobs.subject").sample_pixels
    shutil.copytree(shapes / "train", tmp_path / "images")
    images = sorted((tmp_path / "images").rglob("*.png"))
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in images]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    export(out, to="onnx", data=tmp_path / "list.csv", out=tmp_path / "a.onnx")
    assert sorted(seen[0]) == images
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"no image of .*bad can be read"):
        export(out, to="onnx", data=tmp_path / "bad", out=tmp_path / "b.onnx")


def test_what_cannot_be_exported_is_told_as_it_is(fitted, shapes, tmp_path):
    out, result, _ = fitted
    with pytest.raises(UsageError, match="is a file for litert, from which no network is made again"):
        export(result["artifact"], to="onnx")
    with pytest.raises(UsageError, match="int8 is not there yet"):
        export(out, precision="int8")
    with pytest.raises(UnknownName, match="did you mean float32"):
        export(out, precision="float23")
    shutil.copytree(out, tmp_path / "begun", ignore=shutil.ignore_patterns("model.safetensors"))
    with pytest.raises(RunError, match="begun has no finished model yet"):
        export(tmp_path / "begun")


def test_the_users_images_serve_without_the_embedded_ones(shapes, monkeypatch):
    def never():
        raise AssertionError("the embedded data set was made")

    monkeypatch.setattr("mobilenets.data.signs.signs", never)
    assert len(sample_pixels(Preprocess(32, 32), sorted(shapes.rglob("*.png")))) == 16


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
