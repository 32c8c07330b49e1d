"""One process at a time in a run folder."""

import subprocess
import sys
from contextlib import nullcontext

import pytest

from mobilenets.base.errors import UsageError
from mobilenets.base.run import Run
from mobilenets.jobs.alone import alone, check_out

HOLD = """
import sys
from pathlib import Path
from mobilenets.base.run import Run
from mobilenets.jobs.alone import alone
with alone(Run(Path(sys.argv[1]))):
    print("there", flush=True)
    sys.stdin.readline()
"""


def holder(folder):
    """A process that is at work in a folder until it is given a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"there\n"
    return process


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    first = holder(tmp_path)
    with (
        pytest.raises(UsageError, match=r"another process is at work in .*; wait until it ends"),
        alone(Run(tmp_path)),
    ):
        pytest.fail("it went in")
    first.kill()
    first.wait()
    for _ in range(2):
        with alone(Run(tmp_path)):
            pass


@pytest.mark.parametrize(
    ("split", "out", "refused"),
    [
        (False, "runs/fit", True),
        (False, "cat/fit", True),
        (False, ".runs/fit", False),
        (False, "../fit", False),
        (True, "runs/fit", False),
        (True, "train/fit", True),
    ],
)
def test_run_folders_among_the_images(tmp_path, split, out, refused):
    data = tmp_path / "photos"
    for folder in ("train/cat", "val/cat") if split else ("cat", "dog"):
        (data / folder).mkdir(parents=True)
    with pytest.raises(UsageError, match="lies among the images") if refused else nullcontext():
        check_out(data / out, data)
    (data / out).mkdir(parents=True, exist_ok=True)
    (data / out / "config.yaml").touch()
    check_out(data / out, data)  # it began before, and its data are known


def test_one_that_waits_goes_in_when_the_first_leaves(tmp_path, monkeypatch):
    first, said = holder(tmp_path), []

    def say(line):
        said.append(line)
        first.communicate(b"\n", timeout=60)  # it leaves

    monkeypatch.setattr("mobilenets.jobs.alone.say", say)
    with alone(Run(tmp_path), wait=True):
        assert first.returncode == 0
    assert ["waiting for another process" in line for line in said] == [True]
