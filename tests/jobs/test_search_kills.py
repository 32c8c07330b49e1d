"""A search with workers, of which some are killed, and so is its driver."""

import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mobilenets.nas.record import read_record
from search_cases import all_once, begun, command


def workers_of(driver: subprocess.Popen) -> list[int]:
    """The processes that a driver started and that evaluate."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((one / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == driver.pid and b"spawn_main" in (one / "cmdline").read_bytes():
                found.append(int(one.name))
    return found


def grown(folder: Path, count: int) -> None:
    """Wait until so many trials began."""
    until = time.monotonic() + 120
    while len(begun(folder)) < count:
        assert time.monotonic() < until, "no trial begins"
        time.sleep(0.02)


@pytest.mark.slow
def test_drivers_and_a_fifth_of_the_workers_are_killed(tmp_path):
    place, chance, trials, kills = tmp_path / "search.db", random.Random(0), 60, 0
    start = command(place, tmp_path, trials, 0.3, workers=5)
    lives = [subprocess.Popen(start)]
    for _ in range(10):
        grown(tmp_path, len(begun(tmp_path)) + 4)
        subprocess.run(["kill", "-9", str(chance.choice(workers_of(lives[-1])))], check=False)
        kills += 1
        time.sleep(chance.uniform(0.0, 0.3))
        if chance.random() < 0.4:
            lives[-1].kill()
            lives[-1].wait()
            kills += 5
            lives.append(subprocess.Popen(start))
    assert lives[-1].wait(180) == 0
    assert len(lives) > 2
    assert all_once(read_record(place)[1], trials)
    assert trials <= len(begun(tmp_path)) <= trials + kills
    assert set(begun(tmp_path)) == set(range(trials))
