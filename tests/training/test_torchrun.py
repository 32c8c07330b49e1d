"""Two processes that train one network together, on the CPU with gloo."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from training_worker import BUSY, TAUGHT, outcome

from mobilenets.base.run import Run
from mobilenets.nn import load_model
from mobilenets.training import checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="gloo over torchrun and signals as POSIX has them"),
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
LIMIT = 900  # seconds; half a minute where nothing else runs


def torchrun(*words):
    """Start the processes, with one thread each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*TORCHRUN, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    """What the processes printed, once they ended well."""
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize("taught", [{}, TAUGHT])
def test_both_processes_end_with_the_same_weights(blobs, tmp_path, taught):
    worker = Path(__file__).with_name("torchrun_worker.py")
    settings = {**BUSY, **taught, "epochs": 2, "norm_momentum": 0.2}
    finished(torchrun(worker, blobs, tmp_path, json.dumps(settings), *(["taught"] if taught else [])))
    first, second = (
        dict(load_model(tmp_path / f"process{rank}.safetensors")[0].named_parameters()) for rank in (0, 1)
    )
    assert first.keys() == second.keys()
    assert len(first) > 20
    assert all(torch.equal(first[name], second[name]) for name in first)
    _, facts = checkpoint.read(Run(tmp_path).last)
    assert facts["terms"]["processes"] == 2
    assert ("teacher" in facts["terms"]) == bool(taught)
    assert len(facts["progress"]["history"]) == 2


def train_signs(folder):
    """`mobilenets train` on the embedded set, small enough for a test."""
    size = ("--model", "mobilenet_v3_small", "--width", 0.35, "--resolution", 32)
    pace = ("--epochs", 3, "--batch-size", 64, "--set", "checkpoint_seconds=0.5")
    return torchrun("-m", "mobilenets", "train", "signs", "--weights", "none", *size, *pace,
                    "--out", folder, "--json")  # fmt: skip


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A training that nothing breaks: its run and what it printed."""
    run = Run(tmp_path_factory.mktemp("straight") / "run")
    return run, finished(train_signs(run.folder))


def test_it_leaves_one_run(straight):
    run, out = straight
    result = json.loads(out)  # one document, from one process
    assert (result["epochs"], result["n"]) == (3, 300)
    assert result["model"] == str(run.weights)
    assert len(list(csv.DictReader(run.metrics.open()))) == 3
    assert len(list((run.folder / "tensorboard").iterdir())) == 1
    assert not list(run.folder.rglob("*.part"))
    assert json.loads(run.status.read_text())["state"] == "done"
    assert load_model(run.weights)[1].metric["value"] == result["top1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_goes_on_where_it_was_ended(straight, tmp_path, number):
    run = Run(tmp_path / "run")
    process = train_signs(run.folder)
    end = time.monotonic() + LIMIT
    while not run.metrics.exists() or len(run.metrics.read_text().splitlines()) < 2:  # an epoch is done
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    if number == signal.SIGKILL:  # torchrun itself would leave its processes behind
        os.kill(children(process.pid)[0], number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    if number != signal.SIGKILL:
        assert "ended the training in epoch" in err
        assert json.loads(run.status.read_text())["state"] == "interrupted"
    assert len(checkpoint.read(run.last)[1]["progress"]["history"]) < 3
    result = json.loads(finished(train_signs(run.folder)))
    assert outcome(run) == outcome(straight[0])
    assert result["top1"] == json.loads(straight[1])["top1"]


def children(pid):
    """The processes that a process started."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    return [int(word) for word in found.stdout.split()]
