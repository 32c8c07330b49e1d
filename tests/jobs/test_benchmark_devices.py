"""`benchmark`, `fit` and the rest with a target on another device, on the small run of this folder."""

import json

import pytest

from mobilenets.arch.zoo import find
from mobilenets.base.errors import DeviceError, UsageError
from mobilenets.base.files import read_json
from mobilenets.base.run import Run
from mobilenets.cli.main import main
from mobilenets.jobs.benchmark import benchmark
from mobilenets.jobs.choose import Budget, Pins, choose
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.measured import measured
from mobilenets.runtimes import parse_target

ADB, SSH = "litert:adb=ABC:1", "litert:ssh=user@board:1"


@pytest.fixture
def file(fitted):
    """An exported file; the stand-in says it takes as many microseconds as it has bytes."""
    return fitted[0] / "exports/model.tflite"


@pytest.mark.parametrize("target", [ADB, SSH])
def test_a_file_is_measured_on_a_device(devices, file, fitted, target):
    document = benchmark([file, fitted[0]], target=target, seconds=0.1)
    assert document["ceiling_gflops"] is None, "this machine's ceiling says nothing of another"
    for row in document["results"]:
        assert row["median_ms"] == file.stat().st_size / 1000
        assert (row["target"], row["floor_ms"], row["percent_of_ceiling"]) == (target, None, None)
        assert row["macs"] > 0
        assert row["environment"]["versions"]["benchmark_model"]
        assert row["basis"] == "benchmark_model's medians of 7 laps"


def test_the_table_says_on_what_and_of_what(devices, file, capsys):
    assert main(["benchmark", str(file), "--target", ADB, "--seconds", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "on Acme Phone 5, SoC1 arm64-v8a, Android 15" in out
    assert "median and IQR are of benchmark_model's medians of 7 laps" in out
    assert "ceiling:" not in out


def test_what_was_measured_before_a_device_was_lost_is_shown(devices, file, fitted, capsys):
    devices.become(lost_after=5)
    words = ["benchmark", str(file), str(fitted[0]), "--target", SSH, "--seconds", "0.1"]
    assert main([*words, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [row["basis"] for row in document["results"]] == ["benchmark_model's medians of 2 laps"] * 2
    assert document["error"].startswith("host user@board was lost")
    (devices.folder / "laps").unlink()
    assert main(words) == 1
    said = capsys.readouterr()
    assert said.out.count(SSH) == 2
    assert said.err.strip().splitlines()[-1].startswith("error: host user@board was lost")
    devices.become(lost_after=0)
    with pytest.raises(DeviceError, match="cannot be reached"):
        benchmark(file, target=SSH)


def test_minutes_show_the_drift(devices, file, capsys):
    assert main(["benchmark", str(file), "--target", ADB, "--minutes", "0.002", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert len(row["sustained"]["slices"]) == 12
    assert (row["sustained"]["drift_pct"], row["sustained"]["throttled"]) == (0, False)
    assert row["basis"] == "benchmark_model's medians of 12 laps"
    assert main(["benchmark", str(file), "--minutes", "0.005"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["from", "second", "median", "ms", "least", "ms", "runs"]
    assert len(lines[2 : lines.index("")]) == 12
    assert any(line.startswith("drift: ") and "a minute" in line for line in lines)


def test_minutes_are_for_one_model(file, fitted):
    with pytest.raises(UsageError, match="minutes without pause are for one model"):
        benchmark([file, fitted[0]], minutes=1)
    with pytest.raises(UsageError, match="minutes must be more than 0"):
        benchmark(file, minutes=0)


def test_a_device_gives_no_answers(file, shapes):
    with pytest.raises(UsageError, match=r"litert:adb=ABC:1 can be timed only.*run it here: litert:cpu:1"):
        evaluate(file, shapes, target=ADB)


def test_a_device_is_measured_each_time(devices, file, monkeypatch):
    monkeypatch.setattr("mobilenets.jobs.measured._file", lambda *_: file)
    archs = [find("mobilenet_v3_small", 0.35, 32)]
    first = measured(archs, ADB)
    laps = len(devices.calls("benchmark_model"))
    assert measured(archs, ADB)[0]["median_ms"] == first[0]["median_ms"]
    assert len(devices.calls("benchmark_model")) == 2 * laps > 0


def test_networks_are_chosen_by_the_device(devices, file, tmp_path, monkeypatch):
    monkeypatch.setattr("mobilenets.jobs.subject.exported_once", lambda *_: file)
    run = Run(tmp_path / "run")
    pins = Pins("mobilenet_v3_small", 0.35, 32)
    choose(run, Budget(1e6, parse_target(ADB)), pins)
    document = read_json(run.candidates)
    assert (document["target"], document["ceiling_gflops"]) == (ADB, None)
    (row,) = document["candidates"]
    assert (row["chosen"], row["floor_ms"]) == (True, None)
    assert row["median_ms"] == file.stat().st_size / 1000


@pytest.mark.slow
def test_fit_measures_on_the_device_and_scores_here(devices, shapes, tmp_path, capsys):
    words = ["fit", str(shapes), "--target", SSH, "--budget", "1s", "--out", str(tmp_path / "run"), "--model"]
    words += ["mobilenet_v3_small", "--width", "0.35", "--resolution", "32", "--weights", "none"]
    assert main([*words, "--epochs", "1", "--batch-size", "8"]) == 0
    out = capsys.readouterr().out
    run = Run(tmp_path / "run")
    result = read_json(run.result)
    assert (result["target"], result["scored_on"]) == (SSH, "litert:cpu:1")
    assert result["latency_ms"] == pytest.approx(
        (run.exports / "model.tflite").stat().st_size / 1000, rel=0.05
    )
    assert result["latency"]["basis"] == "benchmark_model's medians of 7 laps"
    assert "test images, run here by litert:cpu:1" in out
    assert "run here by litert:cpu:1" in run.report.read_text()
    assert devices.files() == {"benchmark_model"}
