"""One process at a time in a run folder."""

import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from mobilenets.base.errors import UsageError
from mobilenets.base.run import Run
from mobilenets.jobs.alone import alone, check_out

HOLD = """
import sys, time
from pathlib import Path
from mobilenets.base.run import Run
from mobilenets.jobs.alone import alone
with alone(Run(Path(sys.argv[1]))):
    print("there", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder, seconds):
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder, str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"there\n"
    return process


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    first = holder(tmp_path, 60)
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


def test_one_that_waits_goes_in_when_the_first_leaves(tmp_path, capsys):
    first, begun = holder(tmp_path, 0.7), time.monotonic()
    with alone(Run(tmp_path), wait=True):
        assert time.monotonic() - begun > 0.3
    first.wait()
    assert "waiting for another process" in capsys.readouterr().err
