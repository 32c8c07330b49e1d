"""The driver: what it proposes, how it goes on after a stop, a failure and a kill."""

import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mobilenets.arch import codec, cost
from mobilenets.arch.zoo import find
from mobilenets.base.errors import ArchError, Interrupted, SearchError, StorageError, UsageError
from mobilenets.nas.confirm import PART, Confirm, part
from mobilenets.nas.record import Record, identity, read_record
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.search import search
from mobilenets.nas.space import Decision, Space
from mobilenets.nas.strategies.evolution import Evolution
from mobilenets.nas.strategies.random import Random
from mobilenets.nas.strategies.strategy import Problem
from mobilenets.nas.tables import macro, read_table
from mobilenets.nas.trial import Inline, Job, evaluated
from search_cases import (
    PROBLEM,
    SEED,
    all_once,
    begun,
    command,
    failing,
    judged,
    opened,
    proposals,
    unkilled,
)


def run(record, evaluate=judged, trials=8, **more):
    """A session of the tests' search."""
    return search(PROBLEM, Evolution(PROBLEM, SEED), record, Inline(evaluate), trials, **more)


def test_all_trials_end_once(tmp_path):
    events = []
    with opened(tmp_path / "search.db") as record:
        ended = run(record, on_event=lambda event, trial: events.append((event, trial.number)))
        assert run(record) == ended  # nothing is left to do
    assert [one.number for one in ended] == list(range(8))
    assert all(one.state == "complete" for one in ended)
    assert len({one.genotype for one in ended}) == 8
    assert events == [(event, number) for number in range(8) for event in ("started", "ended")]


def test_what_is_given_comes_first_and_a_stop_changes_nothing(tmp_path):
    first = [(1, 0, 2, 3), (0, 1, 1, 0)]
    with opened(tmp_path / "search.db") as record:
        run(record, trials=1, first=first)
    with opened(tmp_path / "search.db") as record:
        run(record, trials=5, first=first)
        found = proposals(record)
    assert found[:2] == list(enumerate(first))
    with opened(tmp_path / "whole.db") as record:
        run(record, trials=5, first=first)
        assert proposals(record) == found


def test_a_stopped_search_goes_on_as_it_would_have(tmp_path):
    with opened(tmp_path / "search.db") as record:
        for count in (1, 4, 5):
            with pytest.raises(
                Interrupted, match=f"stopped after {count} of 30 trials; run the same command"
            ):
                run(record, trials=30, stop=lambda count=count: len(record.ended) >= count)
    told = []
    with opened(tmp_path / "search.db") as record:
        run(record, trials=30, on_event=lambda event, trial: told.append(event))
        assert proposals(record) == unkilled(tmp_path, 30)
    assert Counter(told) == {"told": 5, "started": 25, "ended": 25}


def test_a_kill_at_any_write_changes_no_proposal(tmp_path, monkeypatch):
    expected = unkilled(tmp_path, 8)
    place = tmp_path / "search.db"
    monkeypatch.setattr("mobilenets.nas.leases.dead", lambda owner: True)  # those who wrote before
    for life in range(1, 18):
        record = opened(place)
        record._storage = Mortal(record._storage, life)
        try:
            run(record, trials=8)
            break
        except KeyboardInterrupt:
            record._engine.dispose()
    assert life > 8
    assert [(one.number, one.genotype) for one in read_record(place)[1]] == expected
    assert [one.ended for one in read_record(place)[1]] == list(range(1, 9))


class Mortal:
    """What a storage writes, until it dies of it: in every second life before the last one, else after it."""

    def __init__(self, storage, left):
        self.storage, self.left, self.before = storage, left, left % 2

    def __getattr__(self, name):
        found = getattr(self.storage, name)
        return partial(self.write, found) if name in WRITES else found

    def write(self, function, *args, **more):
        self.left -= 1
        if not self.left and self.before:
            raise KeyboardInterrupt
        result = function(*args, **more)
        if not self.left:
            raise KeyboardInterrupt
        return result


WRITES = ("create_new_trial", "set_trial_user_attr", "set_trial_state_values")


def test_failures_are_told_and_counted(tmp_path):
    def sometimes(number, genotype, arch, seed):
        return failing(number, genotype, arch, seed) if number % 2 else judged(number, genotype, arch, seed)

    with opened(tmp_path / "search.db") as record:
        ended = run(record, sometimes, trials=12)
    assert [one.state for one in ended] == ["complete", "failed"] * 6
    assert {one.reason for one in ended if one.state == "failed"} == {"no images in sight"}


def test_an_evaluator_that_always_fails_ends_the_search(tmp_path):
    with opened(tmp_path / "search.db") as record:
        with pytest.raises(
            SearchError, match="all 3 trials failed, the last one: no images in sight; put that"
        ):
            run(record, failing, hopeless=3)
        assert [one.state for one in record.trials] == ["failed"] * 3
    with opened(tmp_path / "search.db") as record:
        assert len(run(record)) == 8


def test_a_cause_that_stays_ends_the_search_later_too(tmp_path):
    def until(number, genotype, arch, seed):
        return (judged if number < 4 else failing)(number, genotype, "{}", seed)

    space = replace(PROBLEM.space, build=lambda _: find("mobilenet_v2", 0.35, 32))
    problem = Problem(space, PROBLEM.reward)
    with Record(tmp_path / "search.db", problem, identity(problem, "random", SEED)) as record:
        with pytest.raises(SearchError, match="of 14 trials the last 10 failed, the last one: no images in"):
            search(problem, Random(problem, SEED), record, Inline(until), 50)
        assert len(record.ended) == 14


@pytest.mark.parametrize("confirms", [True, False])
def test_a_small_space_ends_once_it_is_known(confirms, tmp_path):
    decisions = (Decision("one", (0, 1)), Decision("other", (0, 1, 2)))
    space = Space("small", decisions, lambda _: find("mobilenet_v2", 0.35, 32))
    problem = Problem(space, PROBLEM.reward)
    for trials in (30, 40):
        with Record(tmp_path / "search.db", problem, identity(problem, "random", SEED)) as record:
            confirm = Confirm(problem, SEED) if confirms else None
            ended = search(problem, Random(problem, SEED), record, Inline(judged), trials, confirm=confirm)
            assert len({one.genotype for one in ended}) == 6
            assert len(ended) == 6 + (part(trials) if confirms else 0)


@pytest.mark.parametrize(
    ("evaluate", "reason"),
    [
        (lambda *_: Outcome(float("nan"), (1.0,)), "quality nan and costs (1.0,) should be finite numbers"),
        (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda *_: 0.5, "AttributeError"),
    ],
)
def test_whatever_an_evaluator_does(evaluate, reason):
    assert reason in evaluated(evaluate, Job(0, (0, 0, 0, 0), None, 0)).reason


def test_the_time_is_kept_over_sessions(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now, sleep=time.sleep)
    for place in ("mobilenets.nas.search.time", "mobilenets.nas.trial.time"):
        monkeypatch.setattr(place, clock)

    def slow(*job):
        clock.now += 1.0
        return judged(*job)

    with opened(tmp_path / "search.db") as record:
        first = len(run(record, slow, trials=1000, hours=6.5 / 3600))
        clock.now += 1000  # between the two nobody searched
        second = len(run(record, slow, trials=1000, hours=6.5 / 3600))
        third = len(run(record, slow, trials=1000, hours=9.5 / 3600))
    assert (first, second) == (second, first)
    assert 6 <= first <= 7
    assert third - second == 3


def test_limits_that_make_no_sense(tmp_path):
    with opened(tmp_path / "search.db") as record:
        with pytest.raises(UsageError, match="at least one trial, got 0"):
            run(record, trials=0)
        with pytest.raises(UsageError, match="needs time, got -1 hours"):
            run(record, hours=-1)


def test_the_last_part_confirms_and_a_stop_changes_nothing(tmp_path):
    with opened(tmp_path / "whole.db") as record:
        whole = run(record, trials=12, confirm=Confirm(PROBLEM, SEED))
        first = 12 - part(12)
        assert 0 < first < 11
        assert len({one.genotype for one in whole[:first]}) == first
        assert {one.genotype for one in whole[first:]} <= {one.genotype for one in whole[:first]}
        assert len({one.seed for one in whole}) == 12
        assert proposals(record)[:first] == unkilled(tmp_path, 12)[:first]
    with opened(tmp_path / "parts.db") as record, pytest.raises(Interrupted):
        run(record, trials=12, confirm=Confirm(PROBLEM, SEED), stop=lambda: len(record.ended) >= 10)
    with opened(tmp_path / "parts.db") as record:
        confirm = Confirm(PROBLEM, SEED)
        parts = run(record, trials=12, confirm=confirm)
    assert [one.genotype for one in parts] == [one.genotype for one in whole]
    assert confirm.named() in {one.genotype for one in whole}


def test_the_last_part_of_the_time_confirms(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now, sleep=time.sleep)
    monkeypatch.setattr("mobilenets.nas.search.time", clock)

    def slow(*job):
        clock.now += 1.0
        return judged(*job)

    with opened(tmp_path / "search.db") as record:
        ended = run(record, slow, trials=1000, hours=19.5 / 3600, confirm=Confirm(PROBLEM, SEED))
    first = ceil(19.5 * (1 - PART))
    assert len(ended) == 20
    assert len({one.genotype for one in ended[:first]}) == first
    assert {one.genotype for one in ended[first:]} <= {one.genotype for one in ended[:first]}


def test_networks_go_along_and_those_that_cannot_be_fail(tmp_path):
    def build(values):
        if values["width"] == 0.5:
            raise ArchError("too narrow")
        return find("mobilenet_v2", width=values["width"])

    problem = Problem(Space("widths", (Decision("width", (0.35, 0.5, 0.75)),), build))
    seen = {}

    def evaluate(number, genotype, arch, seed):
        seen[genotype] = arch
        return Outcome(0.5)

    with Record(tmp_path / "search.db", problem, identity(problem, "random", 0)) as record:
        ended = search(problem, Random(problem), record, Inline(evaluate), 3)
    assert {one.genotype: one.reason for one in ended} == {(0,): None, (1,): "too narrow", (2,): None}
    assert {one.genotype: one.arch for one in ended if one.arch} == seen
    assert '"mobilenet_v2' in seen[0,]


def test_a_storage_that_goes_away_ends_in_one_line(tmp_path):
    place = tmp_path / "search.db"

    def breaking(number, genotype, arch, seed):
        if number == 2:
            with sqlite3.connect(place) as connection:
                connection.execute("DROP TABLE trial_user_attributes")
        return judged(number, genotype, arch, seed)

    record = opened(place)
    with pytest.raises(StorageError, match=r"search.db cannot be used: .*; what it holds stays") as caught:
        run(record, breaking)
    assert "\n" not in str(caught.value)


def test_two_drivers_share_the_trials(tmp_path):
    from threading import Barrier, Thread, get_ident

    place = tmp_path / "search.db"

    by: dict[int, int] = {}  # who tried which trial
    together = Barrier(2, timeout=60)

    def drive():
        def slowly(number, *rest):
            if get_ident() not in by.values():
                together.wait()
            by[number] = get_ident()
            return judged(number, *rest)

        with opened(place) as record:
            run(record, slowly, trials=12)

    threads = [Thread(target=drive) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    trials = read_record(place)[1]
    assert [one.number for one in trials] == list(range(12))
    assert all(one.state == "complete" for one in trials)
    assert len({one.genotype for one in trials}) == 12
    assert len(set(by.values())) == 2, "both did some"


TABLE = (
    Path(os.environ.get("MOBILENETS_DATA", "../shared/data")) / "nas-bench-macro/nas-bench-macro_cifar10.json"
)


@pytest.mark.skipif(not TABLE.exists(), reason="NAS-Bench-Macro is not in $MOBILENETS_DATA")
def test_a_table_of_trained_networks(tmp_path):
    table = read_table(TABLE, macro())
    problem = Problem(table.space, Reward("soft", (55.4e6,)))

    def evaluate(number, genotype, arch, seed):
        assert cost(codec.loads(arch)).macs == table.costs(genotype, ["flops"])[0]
        return table.outcome(genotype, ["flops"], run=seed % 3)

    with Record(tmp_path / "search.db", problem, identity(problem, "random", 0)) as record:
        ended = search(problem, Random(problem), record, Inline(evaluate), 12)
    assert [one.outcome.quality for one in ended] == [
        table.row(one.genotype).runs[one.seed % 3] for one in ended
    ]


@pytest.mark.slow
def test_a_driver_killed_at_ten_instants(tmp_path):
    place, chance, trials = tmp_path / "search.db", random.Random(1), 24
    start = command(place, tmp_path, trials, 0.1)
    for _ in range(10):
        driver = subprocess.Popen(start)
        before = len(begun(tmp_path))
        until = time.monotonic() + 60
        while len(begun(tmp_path)) <= before and time.monotonic() < until:
            time.sleep(0.01)  # however slow the machine is, each gets to work
        time.sleep(chance.uniform(0.0, 0.5))
        assert driver.poll() is None, "the search was over before its kills"
        driver.kill()
        driver.wait()
    subprocess.run(start, check=True, timeout=120)
    kept = read_record(place)[1]
    assert all_once(kept, trials)
    assert [(one.number, one.genotype) for one in kept] == unkilled(tmp_path, trials)
    assert set(begun(tmp_path)) == set(range(trials))
    assert trials <= len(begun(tmp_path)) <= trials + 10  # a kill costs the running trial, nothing that ended


def test_nothing_is_confirmed_while_nothing_fits(tmp_path):
    """More trials are then for other networks."""
    problem = Problem(PROBLEM.space, Reward("soft", (5.5,)))
    dear = lambda number, genotype, arch, seed: Outcome(0.5 + 0.01 * sum(genotype), (9.0,))  # noqa: E731
    with Record(tmp_path / "dear.db", problem, identity(problem, "evolution", SEED)) as record:
        ended = search(problem, Evolution(problem, SEED), record, Inline(dear), 12,
                       confirm=Confirm(problem, SEED))  # fmt: skip
    assert len({one.genotype for one in ended}) == 12


def test_the_time_that_was_spent_is_that_of_as_many_workers_as_there_were(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now, sleep=time.sleep)
    monkeypatch.setattr("mobilenets.nas.search.time", clock)

    class Four(Inline):
        """Four workers: four seconds of trials pass in one."""

        size = 4

        def wait(self, seconds):
            clock.now += 1.0
            return [replace(evaluated(self.evaluate, self.jobs.popleft()), seconds=4.0)] if self.jobs else []

    with opened(tmp_path / "search.db") as record:
        search(PROBLEM, Evolution(PROBLEM, SEED), record, Four(judged), 10, hours=1)
        assert {one.beside for one in record.ended} == {4}
    with opened(tmp_path / "search.db") as record:
        whole = search(PROBLEM, Evolution(PROBLEM, SEED), record, Inline(judged), 12, hours=20 / 3600)
        assert len(whole) == 12, "ten of four seconds, four at once, took ten"
