"""Timing: counts, order, statistics, and the roofline."""

import json
import time

import pytest

from mobilenets.base.errors import UsageError
from mobilenets.bench import ceiling_gflops, floor_ms, measure, measure_interleaved, paired_ratio
from mobilenets.runtimes import parse_target


class Sleeper:
    """A session that takes a known time and notes when it ran."""

    def __init__(self, ms, log=None, name=""):
        self.ms, self.name = ms, name
        self.log = [] if log is None else log
        self.target = parse_target("litert:cpu:2")
        self.card = None

    def invoke(self):
        self.log.append(self.name)
        time.sleep(self.ms / 1000)

    def versions(self):
        return {"sleeper": "1"}


def test_a_timing_is_what_it_took_on_stated_terms():
    timing = measure(Sleeper(2), seconds=0.1, warmup=3)
    assert 2 <= timing.min_ms <= timing.median_ms <= timing.p90_ms
    assert timing.median_ms < 20
    document = json.loads(json.dumps(timing.as_dict()))
    assert (document["warmup"], document["threads"], document["target"]) == (3, 2, "litert:cpu:2")
    assert document["environment"]["cpu"]
    assert document["environment"]["versions"] == {"sleeper": "1"}
    assert set(document) == {
        "median_ms", "iqr_ms", "p90_ms", "min_ms", "runs", "warmup", "threads", "target", "environment",
        "basis",
    }  # fmt: skip
    assert document["basis"] == "single runs"


@pytest.mark.parametrize(
    ("settings", "runs"),
    [({"seconds": 0, "min_runs": 7}, 7), ({"seconds": 60, "rounds": 5}, 5)],
)
def test_so_many_runs_and_no_more(settings, runs):
    session = Sleeper(0)
    assert measure_interleaved({"": session}, warmup=4, **settings)[""].runs == runs
    assert len(session.log) == runs + 4


def test_it_takes_as_long_as_it_was_told():
    session, begun = Sleeper(0), time.monotonic()
    assert measure(session, seconds=0.3).runs > 100
    assert 0.3 <= time.monotonic() - begun < 3


def test_interleaved_sessions_take_turns_in_changing_order():
    log = []
    sessions = {name: Sleeper(0, log, name) for name in "ab"}
    timings = measure_interleaved(sessions, rounds=4, warmup=1)
    assert "".join(log) == "ab" + "ab" + "ba" + "ab" + "ba"
    assert [timing.runs for timing in timings.values()] == [4, 4]


def test_the_paired_ratio_compares_round_by_round():
    timings = measure_interleaved({"a": Sleeper(6), "b": Sleeper(2)}, rounds=15)
    assert 1.5 < paired_ratio(timings["a"], timings["b"]) < 3.5


@pytest.mark.parametrize("settings", [{"rounds": 0}, {"warmup": -1}, {"seconds": float("nan")}])
def test_settings_that_measure_nothing_are_refused(settings):
    with pytest.raises(UsageError, match="nothing can be measured"):
        measure_interleaved({"a": Sleeper(0)}, **settings)
    with pytest.raises(UsageError, match="nothing can be measured"):
        measure_interleaved({})


def test_the_ceiling_is_measured_once_and_is_above_what_a_plain_loop_reaches(monkeypatch):
    import torch

    before = torch.get_num_threads()
    ceiling = ceiling_gflops(1)
    assert torch.get_num_threads() == before
    monkeypatch.setattr("mobilenets.bench.roofline._gflops", None)  # it is not asked again
    assert ceiling_gflops(1) == ceiling
    assert 1 < ceiling < 10_000


def test_the_floor_counts_two_operations_per_multiply_add():
    assert floor_ms(1_000_000_000, 100.0) == 20.0
