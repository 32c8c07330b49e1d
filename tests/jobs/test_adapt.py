"""`adapt` on the small run of this folder, by MACs; by a measured table where that is marked slow."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mobilenets.arch import codec, cost
from mobilenets.arch.widths import widths
from mobilenets.base.errors import BudgetError, ConfigMismatch, UnknownName, UsageError
from mobilenets.base.files import read_json, sha256
from mobilenets.base.run import Run
from mobilenets.cli.main import main
from mobilenets.data.dataset import Sample
from mobilenets.jobs.adapt import adapt, source
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.material import Material
from mobilenets.jobs.rounds import of_classes
from mobilenets.nn import load_model, save_model

QUICK = {"images": 16, "tuned": 2, "step": 0.15, "decay": 1.0, "settings": {"epochs": 2, "batch_size": 8}}


@pytest.fixture(scope="module")
def adapted(fitted, tmp_path_factory):
    """The run narrowed to 60 % of its MACs, and what `adapt` returned."""
    out = tmp_path_factory.mktemp("adapted") / "run"
    return out, adapt(fitted[0], budget="60% macs", out=out, **QUICK)


def test_meets_the_budget_and_says_how(adapted, fitted, shapes):
    out, result = adapted
    before, (network, card) = load_model(Run(fitted[0]).weights)[0], load_model(Run(out).weights)
    assert result["reached"] == cost(network.arch).macs <= 0.606 * cost(before.arch).macs
    assert (result["resource"], result["unit"], result["met"]) == ("macs", "MACs", True)
    assert result["start"]["macs"] == cost(before.arch).macs
    assert evaluate(result["artifact"], shapes)["top1"] == result["value"]
    assert card.arch == network.arch == codec.loads(Run(out).arch.read_bytes())
    narrower = {one.name: one.channels for one in widths(network.arch)}
    assert any(narrower[one.name] < one.channels for one in widths(before.arch))
    assert all(
        narrower[one.name] % 8 == 0 for one in widths(before.arch) if narrower[one.name] < one.channels
    )


def test_the_path_is_written_down_round_by_round(adapted):
    out, result = adapted
    document = read_json(Run(out).adaptation)
    costs = [document["start"]["cost"], *(one["chosen"]["cost"] for one in document["rounds"])]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) == result["rounds"] + 1
    for number, one in enumerate(document["rounds"], 1):
        assert one["fine_tuned"] == sum(each["loss"] is not None for each in one["proposals"]) <= 2
        kept = list((out / "rounds" / f"{number:03}").glob("*/model.safetensors"))
        assert [path.parent.name for path in kept] == [one["name"]]
        assert one["chosen"]["arch"] == codec.encode(load_model(kept[0])[0].arch)
    assert document["images"] == {
        "each": 16, "lineage": 16 * result["rounds"], "all": 16 * result["fine_tuned"]
    }  # fmt: skip
    assert sum(one["after"] for one in document["layers"]) == pytest.approx(costs[-1])
    page = Run(out).report.read_text(encoding="utf-8")
    assert "How it was adapted" in page
    assert page.count("<svg") >= 4


def test_a_second_call_repeats_nothing_and_other_terms_are_refused(adapted, fitted):
    out, result = adapted
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert adapt(fitted[0], budget="60% macs", out=out, **QUICK) == result
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(ConfigMismatch, match="budget: '60% macs' there, '50% macs' now"):
        adapt(fitted[0], budget="50% macs", out=out, **QUICK)


def test_another_model_at_the_same_place_is_refused(adapted, fitted, tmp_path):
    model, out = tmp_path / "run", tmp_path / "run-adapted"
    shutil.copytree(fitted[0], model)
    shutil.copytree(adapted[0], out)
    text = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(text.replace(str(fitted[0]), str(model)))
    network, card = load_model(model / "model.safetensors")
    network.head.classifier.bias.data += 1
    save_model(model / "model.safetensors", network, card)
    with pytest.raises(ConfigMismatch, match=r"holds other weights than those that .* began with"):
        adapt(model, budget="60% macs", out=out, **QUICK)


@pytest.mark.slow
def test_killed_at_any_instant_it_ends_the_same(adapted, fitted, tmp_path):
    """Killed twice without warning, then let run: the same networks, bit for bit."""
    first, out = adapted[0], tmp_path / "run"
    call = [sys.executable, "-m", "mobilenets", "adapt", str(fitted[0]), "--budget", "60% macs", "--out",
            str(out), "--images", "16", "--tuned", "2", "--step", "0.15", "--decay", "1.0", "--epochs", "2",
            "--batch-size", "8", "--json"]  # fmt: skip
    for wanted in ("rounds/001/screen.json", "rounds/002"):
        process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (out / wanted).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["met"]
    for path in first.rglob("model.safetensors"):
        other = out / path.relative_to(first)
        assert _weights(other) == _weights(path), path


def _weights(path):
    """The weights in a file, whatever its card says of the command that made it."""
    from safetensors.torch import load_file

    return {name: value.numpy().tobytes() for name, value in load_file(path).items()}


@pytest.mark.slow
@pytest.mark.parametrize("importance", ["activation", "taylor"])
def test_other_scores_of_channels_and_several_processes(importance, fitted, tmp_path):
    given = {**QUICK, "importance": importance}
    result = adapt(fitted[0], budget="80% macs", out=tmp_path / "run", workers=2, **given)
    assert result["met"]
    assert (tmp_path / "run/rounds/001/importance.safetensors").exists()
    alone = adapt(fitted[0], budget="80% macs", out=tmp_path / "alone", workers=1, **given)
    assert [sha256(tmp_path / name / "arch.json") for name in ("run", "alone")].count(
        sha256(tmp_path / "run/arch.json")
    ) == 2
    assert alone["reached"] == result["reached"]


@pytest.mark.slow
def test_to_a_measured_latency_with_a_teacher(fitted, tmp_path):
    result = adapt(fitted[0], budget="85%", out=tmp_path / "run", teacher=fitted[0], **QUICK)
    assert (result["resource"], result["unit"]) == ("latency", "ms")
    assert result["met"]
    assert result["error_percent"] is not None
    assert "mobilenet_v3_small" in load_model(tmp_path / "run/model.safetensors")[1].teacher


def test_a_weights_file_needs_its_images(fitted, tmp_path):
    file = Run(fitted[0]).weights
    with pytest.raises(UsageError, match="does not say what it was trained on; give --data"):
        adapt(file, budget="60% macs", out=tmp_path / "run")


def test_images_are_split_as_the_run_split_them(fitted, shapes, tmp_path):
    told = read_json(Run(fitted[0]).dataset)
    shutil.copytree(fitted[0], tmp_path / "run")
    Run(tmp_path / "run").dataset.write_text(json.dumps({**told, "val": 0.25, "seed": 3}))
    for model in (
        tmp_path / "run",
        Run(tmp_path / "run").weights,
        tmp_path / "run/checkpoints/best.safetensors",
    ):
        assert source(model, shapes)[1] == Material(str(shapes), "classify", 0.25, 3)
    alone = shutil.copy(Run(fitted[0]).weights, tmp_path / "alone.safetensors")
    (tmp_path / "config.yaml").write_text("seed: 42\n")  # of something else
    assert source(Path(alone), shapes)[1] == Material(str(shapes), "classify")


def test_thinned_images_of_embeddings_find_each_other():
    samples = tuple(Sample(Path(f"{label}-{i}.jpg"), label) for label in range(300) for i in range(2))
    lone = tuple(Sample(Path(f"lone-{label}.jpg"), label) for label in range(300, 310))
    some = of_classes((*samples, *lone), 256)
    assert 200 <= len(some) <= 320
    assert set(Counter(one.label for one in some).values()) == {2}
    few = of_classes(tuple(replace(one, label=one.label % 3) for one in samples), 256)
    assert 200 <= len(few) <= 320
    assert len({one.label for one in few}) == 3


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"budget": "3"}, UsageError, "needs a unit"),
        (
            {"budget": "1% macs"},
            BudgetError,
            "below what mobilenet_v3_small costs with every width at its least",
        ),
        ({"budget": "900M macs"}, UsageError, "meets 9e.08 as it is; give a smaller budget"),
        ({"budget": "60% macs", "importance": "luck"}, UnknownName, "luck"),
        ({"budget": "60% macs", "choice": "worst"}, UnknownName, "worst"),
        ({"budget": "60% macs", "images": 0}, UsageError, "must be at least 1"),
        ({"budget": "60%", "target": "litert:gpu:1"}, UnknownName, "gpu"),
        ({"budget": "60% macs", "teacher": "nobody"}, UsageError, "neither a run folder nor"),
        ({"budget": "99.5% macs"}, UsageError, "as it is; give a smaller budget"),
    ],
)
def test_bad_input_is_one_line(given, error, message, fitted, tmp_path):
    with pytest.raises(error, match=message) as caught:
        adapt(fitted[0], out=tmp_path / "run", **given)
    assert "\n" not in str(caught.value)


def test_images_with_other_classes_are_refused(fitted, tmp_path):
    from PIL import Image

    for split in ("train", "val"):
        for label in ("cat", "dog"):
            for i in range(4):
                path = tmp_path / "data" / split / label / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.effect_noise((40, 40), 40 + i).convert("RGB").save(path)
    with pytest.raises(UsageError, match="knows the classes 'disc, square', the images have 'cat, dog'"):
        adapt(fitted[0], budget="60% macs", data=tmp_path / "data", out=tmp_path / "run")


def test_the_command_prints_one_document(adapted, fitted, capsys):
    out, result = adapted
    words = ["adapt", str(fitted[0]), "--budget", "60% macs", "--out", str(out), "--images", "16", "--tuned",
             "2", "--step", "0.15", "--decay", "1.0", "--epochs", "2", "--batch-size", "8"]  # fmt: skip
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert main(words) == 0
    assert "reached" in capsys.readouterr().out


def test_no_run_is_one_line(tmp_path, capsys):
    assert main(["adapt", str(tmp_path / "none"), "--budget", "3ms"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path(f"{tmp_path / 'none'}-adapted").exists()
