"""Timing in bursts: order, what counts, what is left out."""

import time
from types import SimpleNamespace

import pytest

from mobilenets.bench.bursts import BURST, in_bursts
from mobilenets.runtimes import parse_target


class Player:
    """A session that takes so many ms in turn, and notes when it ran."""

    target = parse_target("litert:cpu:2")  # with one thread, sleeping would not count

    def __init__(self, times, log=None, name=""):
        self.times, self.name = times, name
        self.log = [] if log is None else log
        self.count = 0

    def invoke(self):
        self.log.append(self.name)
        time.sleep(self.times[self.count % len(self.times)] / 1000)
        self.count += 1

    def versions(self):
        return {"player": "1"}


def test_turns_are_bursts_in_changing_order():
    log = []
    in_bursts({name: Player([0], log, name) for name in "ab"}, seconds=0, least=3)
    turn = {name: name * (1 + BURST) for name in "ab"}
    assert "".join(log) == turn["a"] + turn["b"] + turn["b"] + turn["a"] + turn["a"] + turn["b"]


def test_the_first_run_of_a_burst_and_the_slower_half_do_not_count(monkeypatch):
    """Of each burst the first run, which finds cold caches, takes longest; one in three is disturbed."""
    clock = SimpleNamespace(now=0, perf_counter=lambda: clock.now / 1e9, perf_counter_ns=lambda: clock.now)
    clock.thread_time_ns = clock.perf_counter_ns
    monkeypatch.setattr("mobilenets.bench.bursts.time", clock)
    monkeypatch.setattr(
        time, "sleep", lambda seconds: setattr(clock, "now", clock.now + round(1e9 * seconds))
    )
    found = in_bursts({"": Player([12, 2, 2, 8])}, seconds=0, least=6)[""]
    assert found.runs == 6 * BURST
    assert found.median_ms == 2
    assert len(found.runs_ms) == found.runs / 2
    assert max(found.runs_ms) < 8
    assert found.basis == "the faster half of runs in bursts of 3"
    assert (found.threads, found.environment["versions"]) == (2, {"player": "1"})


@pytest.mark.parametrize(("terms", "turns"), [((0, 4, 9), 4), ((60, 2, 5), 5)])
def test_turns_are_bounded(terms, turns):
    seconds, least, most = terms
    player = Player([0])
    in_bursts({"": player}, seconds=seconds, least=least, most=most)
    assert player.count == turns * (1 + BURST)


class Waiter(Player):
    """One thread that calculates for 2 ms and now and then waits 20 ms for others."""

    target = parse_target("litert:cpu:1")

    def invoke(self):
        super().invoke()
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass


def test_what_one_thread_waits_does_not_count():
    found = in_bursts({"": Waiter([20])}, seconds=0, least=3)[""]
    assert 1.9 < found.median_ms < 6
