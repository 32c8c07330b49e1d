"""Laps on another device: their order, what is told of them, and what is kept when the device is lost."""

import json
from importlib import import_module
from types import SimpleNamespace

import pytest

from mobilenets.base.errors import DeviceError, UsageError
from mobilenets.bench import measure_files, measure_interleaved, paired_ratio, sustained
from mobilenets.bench.laps import LAPS
from mobilenets.bench.sustained import Slice, Sustained
from mobilenets.runtimes import Lap, OnDevice, connect, parse_target

TARGET = parse_target("litert:adb=ABC:4")


class Far(OnDevice):
    """A file on a device that takes given times in turn, and is lost when there are none left."""

    def __init__(self, times, log=None, median=True):
        self.target, self.times, self.median = TARGET, list(times), median
        self.log = [] if log is None else log

    def lap(self, runs, seconds, warmup):
        if not self.times:
            raise DeviceError("device ABC was lost")
        self.log.append((self.times[0], runs, round(seconds, 3), warmup))
        return Lap(runs, self.times[0], self.times.pop(0) - 0.5, self.median)

    def environment(self):
        return {"device": "Far"}

    def close(self):
        self.log.append("closed")


def test_laps_take_turns_and_each_counts_once():
    log = []
    files = {"a": Far([1, 3, 2], log), "b": Far([10, 30, 20], log)}
    timings = measure_interleaved(files, rounds=3, seconds=1.5, min_runs=7)
    assert [each[0] for each in log[:6]] == [1, 10, 30, 3, 2, 20], "every other round the other way round"
    assert log[6:] == ["closed"] * 2
    assert {each[1:] for each in log[:6]} == {(1, 0.5, 3)}
    a, b = timings["a"], timings["b"]
    assert (a.median_ms, a.min_ms, a.runs, a.threads, a.target) == (2, 0.5, 3, 4, "litert:adb=ABC:4")
    assert (b.median_ms, b.iqr_ms, b.runs_ms) == (20, 10, (10, 30, 20))
    assert paired_ratio(b, a) == 10
    document = json.loads(json.dumps(a.as_dict()))
    assert document["environment"] == {"device": "Far"}
    assert document["basis"] == "benchmark_model's medians of 3 laps"


def test_without_rounds_the_least_number_of_runs_is_shared_by_the_laps():
    file = Far([1] * LAPS)
    timing = measure_interleaved({"": file}, seconds=0, min_runs=20)[""]
    assert timing.runs >= 20
    assert len(timing.runs_ms) == LAPS


def test_averages_are_not_called_medians():
    timing = measure_interleaved({"": Far([1, 2], median=False)}, rounds=2)[""]
    assert timing.basis == "benchmark_model's averages (it tells no median) of 2 laps"


def test_rounds_that_went_through_are_kept_when_a_device_is_lost():
    files = {"a": Far([1, 2, 3]), "b": Far([10, 20])}
    with pytest.raises(DeviceError, match="ABC was lost") as caught:
        measure_interleaved(files, rounds=5)
    kept = caught.value.finished
    assert {name: timing.runs_ms for name, timing in kept.items()} == {"a": (1, 2), "b": (10, 20)}
    assert kept["a"].basis.endswith("2 laps")
    assert all(file.log[-1] == "closed" for file in files.values())
    with pytest.raises(DeviceError) as caught:
        measure_interleaved({"a": Far([1]), "b": Far([])}, rounds=5)
    assert caught.value.finished == {}


def test_this_machine_and_another_take_no_turns():
    class Near:
        target = parse_target("litert:cpu:1")

    with pytest.raises(UsageError, match="cannot take turns"):
        measure_interleaved({"a": Far([1]), "b": Near()})


def test_files_are_measured_on_a_device_whatever_is_in_them(devices, tmp_path):
    files = {}
    for name, size in (("a", 3000), ("b", 1000)):
        files[name] = tmp_path / f"{name}.tflite"
        files[name].write_bytes(bytes(size))
    timings = measure_files(files, parse_target("litert:ssh=user@board/3:1"), seconds=0, min_runs=1)
    assert {name: timing.median_ms for name, timing in timings.items()} == {"a": 3.0, "b": 1.0}
    calls = devices.calls("benchmark_model")
    assert len(calls) == 2 * LAPS
    assert devices.files() == {"benchmark_model"}
    assert timings["a"].target == "litert:ssh=user@board/3:1"
    assert timings["a"].environment["file"] != timings["b"].environment["file"]


def test_a_program_without_medians_is_told_from_one_with(devices, tmp_path):
    (tmp_path / "a.tflite").write_bytes(bytes(3000))
    devices.become(no_median=True)
    timing = measure_files({"a": tmp_path / "a.tflite"}, TARGET, seconds=0, min_runs=1)["a"]
    assert timing.median_ms == 3.0025, "the average"
    assert "averages" in timing.basis


def slices(medians, least=None):
    """Slices 15 s apart."""
    least = least or medians
    return Sustained(
        tuple(Slice(15.0 * i, 9, m, n) for i, (m, n) in enumerate(zip(medians, least, strict=True))), None
    )


def test_drift_is_told_from_the_slices():
    warm = slices([10, 10, 10, 10.2, 11, 12, 12, 12])
    assert warm.drift_pct == pytest.approx(20)
    assert 10 < warm.slope_pct_per_minute < 20, "20 % within 105 s"
    assert warm.throttled
    steady = slices([10, 10.1, 9.9, 10, 10, 30, 10, 10])
    assert steady.slope_pct_per_minute == pytest.approx(0, abs=1), "one disturbed slice changes nothing"
    assert not steady.throttled
    disturbed = slices([10, 10, 10, 10, 12, 12, 12, 12], least=[9.9] * 8)
    assert not disturbed.throttled, "there were fast runs to the end"
    assert slices([10]).slope_pct_per_minute == 0


class Warming:
    """A session that takes longer after some time by its own clock, which is that of the measurement."""

    target, card = parse_target("litert:cpu:1"), None

    def __init__(self, monkeypatch):
        self.now = 0.0
        clock = SimpleNamespace(perf_counter=lambda: self.now, perf_counter_ns=lambda: round(1e9 * self.now))
        for module in ("sustained", "timing"):
            monkeypatch.setattr(import_module(f"mobilenets.bench.{module}"), "time", clock)

    def invoke(self):
        self.now += 0.002 if self.now < 0.3 else 0.006

    def versions(self):
        return {"warming": "1"}


def test_a_machine_that_slows_down_is_seen(monkeypatch):
    found = sustained(Warming(monkeypatch), minutes=0.01, slices=6)
    assert len(found.slices) == 6
    assert found.throttled
    assert found.drift_pct == pytest.approx(200)
    assert found.slices[-1].start_s == pytest.approx(0.5, abs=0.02)
    assert found.timing.runs == sum(one.runs for one in found.slices)
    assert found.timing.basis == "single runs"
    document = json.loads(json.dumps(found.as_dict()))
    assert document["throttled"] is True
    assert document["error"] is None
    assert document["slices"][0].keys() == {"start_s", "runs", "median_ms", "min_ms"}


def test_a_device_runs_slice_by_slice_and_keeps_them_when_it_is_lost():
    file = Far([1, 2, 3])
    found = sustained(file, minutes=0.2, slices=4)
    assert [one.median_ms for one in found.slices] == [1, 2, 3]
    assert found.error == "device ABC was lost"
    assert found.timing.median_ms == 2
    assert {each[2] for each in file.log[:3]} == {3.0}, "seconds of a slice"
    assert file.log[-1] == "closed"
    with pytest.raises(DeviceError, match="ABC was lost"):
        sustained(Far([]), minutes=1)


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), 1e9])
def test_other_minutes_are_refused(minutes):
    with pytest.raises(UsageError, match="minutes must be more than 0 and at most 1440"):
        sustained(Far([1]), minutes)


def test_a_device_and_its_program_are_connected_to_once(devices):
    station = connect(TARGET)
    assert len(devices.calls("adb")) <= 6
    assert station.environment["device"] == "Acme Phone 5"
