"""`train` and `fit` with a teacher, and the images that it alone judges."""

import shutil
from functools import partial

import pytest
from test_task_jobs import boxes, masks, scene
from torch import nn

from mobilenets.base.errors import (
    ConfigMismatch,
    DataError,
    MobilenetsError,
    RunError,
    UsageError,
    WeightsError,
)
from mobilenets.base.files import read_json
from mobilenets.base.run import Run, read_config
from mobilenets.jobs.fit import fit
from mobilenets.jobs.teacher import opened
from mobilenets.jobs.train import train
from mobilenets.nn import load_model
from mobilenets.training import checkpoint

FAST = {"epochs": 2, "batch_size": 8, "lr": 0.01, "ema_decay": 0.9}
ASKED = {"model": "mobilenet_v3_small", "width": 0.35, "resolution": 32, "weights": "none"}


@pytest.fixture(scope="module")
def known(shapes, tmp_path_factory):
    """A finished run on the shapes."""
    out = tmp_path_factory.mktemp("known") / "run"
    train(shapes, out=out, settings=FAST, **ASKED)
    return out


@pytest.fixture
def loose(shapes, tmp_path):
    """A folder of 32 images without labels, one of which is broken, and a text."""
    (tmp_path / "loose/more").mkdir(parents=True)
    for number in range(16):
        scene(number)[0].save(tmp_path / f"loose/more/{number:02}.png")
        shutil.copy(shapes / f"train/disc/{number:02}.png", tmp_path / "loose")
    (tmp_path / "loose/00.png").write_bytes(b"no image")
    (tmp_path / "loose/readme.txt").write_text("hello")
    return tmp_path / "loose"


def test_a_run_teaches_another(known, shapes, loose, tmp_path, capsys):
    teacher, again = known, tmp_path / "student"
    call = partial(train, shapes, out=again, settings=FAST | {"distil_features": 0.5}, **ASKED)
    result = call(teacher=teacher, unlabelled=loose)
    assert "left out 00.png: its content is no readable" in capsys.readouterr().err
    told = f"mobilenet_v3_small from {teacher}, which began with none, top1 "
    assert result["teacher"].startswith(told)
    run = Run(again)
    assert load_model(run.weights)[1].teacher == result["teacher"]
    config, found = read_config(run), read_json(run.dataset)["unlabelled"]
    assert (config["teacher"], config["unlabelled"]) == (str(teacher), str(loose))
    assert (found["images"], [one["file"] for one in found["left_out"]]) == (31, ["00.png"])
    assert checkpoint.read(run.last)[1]["terms"]["teacher"] == opened(teacher).id
    assert call(teacher=teacher, unlabelled=loose) == result
    for other in ({"teacher": Run(teacher).weights}, {"teacher": teacher}):
        with pytest.raises(ConfigMismatch, match="holds a run with other settings"):
            call(**other)


def test_the_file_of_a_teacher_may_not_change_under_a_run(known, shapes, tmp_path):
    whole = Run(known).weights.read_bytes()
    teacher = tmp_path / "teacher.safetensors"
    teacher.write_bytes(whole)
    call = partial(train, shapes, out=tmp_path / "student", teacher=teacher, settings=FAST, **ASKED)
    call()
    train(shapes, out=tmp_path / "other", settings=FAST | {"epochs": 1}, **ASKED)
    teacher.write_bytes(Run(tmp_path / "other").weights.read_bytes())
    with pytest.raises(
        ConfigMismatch, match=r"teacher: '?mobilenet_v3_small \w{12}'? there, '?mobilenet_v3_small"
    ):
        call()


@pytest.mark.parametrize(("task", "lay"), [("detect", boxes), ("segment", masks), ("embed", None)])
def test_every_task_has_its_lessons(task, lay, shapes, loose, tmp_path):
    data = shapes if lay is None else tmp_path / "data"
    if lay:
        lay(data)
    call = partial(train, data, task=task, val=0.2, **ASKED | {"resolution": 64})
    call(out=tmp_path / "teacher", settings=FAST | {"epochs": 1})
    settings = FAST | {"epochs": 1, "distil_features": 0.5}
    result = call(out=tmp_path / "student", settings=settings, teacher=tmp_path / "teacher", unlabelled=loose)
    assert "teacher" in result
    assert 0 <= result[result["metric"]] <= 1


@pytest.mark.slow
def test_fit_takes_a_teacher_and_says_so(known, shapes, tmp_path):
    out = tmp_path / "student"
    result = fit(shapes, budget="50ms", out=out, settings=FAST, teacher=known, **ASKED)
    stored = read_json(Run(out).result)
    assert stored["teacher"].startswith(f"mobilenet_v3_small from {known}")
    assert "taught by mobilenet_v3_small" in Run(out).report.read_text(encoding="utf-8")
    assert result["met"]


def test_a_module_teaches_in_python(shapes, tmp_path):
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    call = partial(train, shapes, out=tmp_path, settings=FAST | {"epochs": 1}, **ASKED)
    assert call(teacher=module)["teacher"] == "Sequential"
    assert read_config(Run(tmp_path))["teacher"] == opened(module).id
    nn.init.zeros_(module[2].weight)
    with pytest.raises(ConfigMismatch, match="teacher: 'Sequential "):
        call(teacher=module)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"unlabelled": "loose"}, UsageError, "images for a teacher to judge; name one with --teacher"),
        ({"settings": {"distil_weight": 0.5}}, UsageError, "distil_weight is for learning from a teacher"),
        ({"teacher": "mobilenet_v2"}, UsageError, "'mobilenet_v2' is neither a run folder nor a .safetens"),
        ({"teacher": "empty"}, RunError, "empty is not a run folder"),
        ({"teacher": "begun"}, RunError, "the teacher .*begun has no finished model yet"),
        ({"teacher": "odd.safetensors"}, WeightsError, "the teacher cannot be used: .*not a whole"),
        ({"teacher": "run", "task": "embed", "val": 0.2}, UsageError, "to classify, the student is to embed"),
        ({"teacher": "run", "unlabelled": "empty"}, DataError, "holds no image to learn from"),
    ],
)  # fmt: skip
def test_a_teacher_that_cannot_be_is_refused_before_anything_is_written(
    known, shapes, tmp_path, monkeypatch, given, error, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/config.yaml").write_text("verb: train\n")
    (tmp_path / "odd.safetensors").write_bytes(b"odd")
    (tmp_path / "run").symlink_to(known)
    for verb in (train, partial(fit, budget="50ms")):
        with pytest.raises(MobilenetsError, match=message) as caught:
            verb(shapes, out="out", **{**ASKED, **given})
        assert type(caught.value) is error
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()


def test_a_teacher_of_other_classes_is_refused(known, shapes, tmp_path):
    for label in ("disc", "star"):
        for i in range(8):
            (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
            scene(i + 100 * (label == "star"))[0].save(tmp_path / "data" / label / f"{i}.png")
    with pytest.raises(UsageError, match="has no class 'star'; give one trained on these classes"):
        train(tmp_path / "data", out=tmp_path / "out", teacher=known, val=0.25, **ASKED)
    assert not (tmp_path / "out").exists()
