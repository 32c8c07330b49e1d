"""Local workers: deaths cost a beginning, results come once, nothing outlives the driver."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mobilenets.base.errors import DataError, UsageError
from mobilenets.jobs.workers import Pool
from mobilenets.nas.reward import Outcome
from mobilenets.nas.trial import Job

HERE = Path(__file__).parent


def noted(folder, number, genotype, arch, seed, seconds=0.0, dies=()):
    """Notes that it began, takes its time, or dies at its first beginnings."""
    with (Path(folder) / f"{number}.log").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if number in dies and begun(folder, number) <= dies[number]:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    return Outcome(0.5 + number, (float(os.environ["OMP_NUM_THREADS"]),))


def refusing(number, genotype, arch, seed):
    raise DataError(f"nothing for {arch}")


def begun(folder, number):
    """How often a job began."""
    return len((Path(folder) / f"{number}.log").read_text().split())


def job(number):
    return Job(number, (0,), "{}", 1)


def gathered(pool, count, seconds=60.0):
    """So many ends of jobs."""
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += pool.wait(0.5)
    return {one.number: one for one in found}


def running(pid):
    """Whether a process is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_results_threads_and_a_death(tmp_path):
    deaths = []
    evaluate = partial(noted, tmp_path, seconds=0.05, dies={1: 1})
    with Pool(evaluate, 2, threads=3, on_death=lambda job: deaths.append(job.number)) as pool:
        for number in (0, 1):
            pool.submit(job(number))
        found = gathered(pool, 2)
        pool.submit(job(2))
        found |= gathered(pool, 1)
        assert pool.wait(0) == []
        pids = [worker.process.pid for worker in pool.workers]
    assert {number: one.evaluation.outcome for number, one in found.items()} == {
        number: Outcome(0.5 + number, (3.0,)) for number in range(3)
    }
    assert deaths == [1]
    assert [begun(tmp_path, number) for number in range(3)] == [1, 2, 1]
    assert 1 <= len(pids) <= 2
    assert not any(map(running, pids))


def test_a_trial_that_kills_its_workers_fails(tmp_path):
    with Pool(partial(noted, tmp_path, dies={0: 9}), 1, tries=2) as pool:
        pool.submit(job(0))
        (done,) = gathered(pool, 1).values()
    assert done.reason == "2 workers died of it, the last by SIGKILL (out of memory?)"
    assert begun(tmp_path, 0) == 2


def test_failures_are_reasons(tmp_path):
    with Pool(refusing, 1) as pool:
        pool.submit(job(0))
        assert gathered(pool, 1)[0].reason == "nothing for {}"


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="the evaluator cannot be sent to workers"):
        Pool(lambda *job: None, 1)
    with pytest.raises(UsageError, match="at least 1, got 0, 3, None"):
        Pool(refusing, 0)


DRIVER = """
import sys
sys.path.insert(0, {here!r})
from functools import partial
from test_workers import Pool, job, noted

if __name__ == "__main__":
    pool = Pool(partial(noted, {folder!r}, seconds=100), 2)
    for number in range(2):
        pool.submit(job(number))
    while True:
        pool.wait(1)
"""


def test_workers_end_with_their_driver(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(here=str(HERE), folder=str(tmp_path)))
    driver = subprocess.Popen([sys.executable, str(script)])
    logs = [tmp_path / "0.log", tmp_path / "1.log"]
    waited(lambda: all(log.exists() and log.read_text().strip() for log in logs))
    pids = [int(log.read_text()) for log in logs]
    assert all(map(running, pids))
    driver.kill()
    driver.wait()
    waited(lambda: not any(map(running, pids)), 10)


def waited(fact, seconds=60.0):
    """Wait for a fact."""
    until = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)
