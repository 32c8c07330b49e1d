"""Run folders: begun by one process, and one at a time at work in them."""

import subprocess
import sys
from contextlib import nullcontext
from threading import Timer

import pytest

from mobilenets.base.errors import BudgetError, ConfigMismatch, UsageError
from mobilenets.base.run import Run, marked, read_config
from mobilenets.jobs.alone import alone, begun, check_out, measuring

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


def test_a_run_that_came_to_nothing_is_begun_anew(tmp_path):
    run = begun(tmp_path / "run", {"budget": "1ms"})
    run.dataset.write_text("{}")
    with pytest.raises(BudgetError), marked(run, "choose"):
        raise BudgetError("nothing meets 1 ms")
    assert read_config(begun(run.folder, {"budget": "5ms"})) == {"budget": "5ms"}
    assert not run.dataset.exists()
    assert not run.status.exists()


@pytest.mark.parametrize(
    "work", ["checkpoints/last.pt", "rounds/001/screen.json", "search.db", "model.safetensors"]
)
def test_work_is_never_given_up_for_other_settings(tmp_path, work):
    run = begun(tmp_path, {"budget": "1ms"})
    (tmp_path / work).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / work).touch()
    with pytest.raises(ConfigMismatch, match="budget: '1ms' there, '5ms' now"):
        begun(tmp_path, {"budget": "5ms"})
    assert read_config(run) == {"budget": "1ms"}


def test_a_run_at_work_is_not_begun_anew(tmp_path):
    begun(tmp_path, {"budget": "1ms"})
    first = holder(tmp_path)
    with pytest.raises(UsageError, match="another process is at work"):
        begun(tmp_path, {"budget": "5ms"})
    first.kill()
    first.wait()
    assert read_config(Run(tmp_path)) == {"budget": "1ms"}


MEASURE = """
from mobilenets.jobs.alone import measuring
with measuring(), measuring():
    print("there", flush=True)
    input()
"""


def test_one_process_measures_at_a_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    first = subprocess.Popen([sys.executable, "-c", MEASURE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout.readline() == b"there\n"
    Timer(0.5, first.kill).start()
    with measuring():
        assert first.wait() != 0
    assert "waiting for another process that measures" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_keeps_nobody_from_measuring(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "file" / "cache"))
    with measuring():
        pass
