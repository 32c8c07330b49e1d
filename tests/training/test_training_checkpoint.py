import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_worker import TINY, tiny_network

from mobilenets.base.errors import ConfigMismatch, RunError
from mobilenets.base.run import Run
from mobilenets.nn import build
from mobilenets.training import checkpoint
from mobilenets.training.checkpoint import State, previous
from mobilenets.training.ema import Average
from mobilenets.training.optimiser import build_optimiser
from mobilenets.training.progress import Progress
from mobilenets.training.settings import Settings

TERMS = {"lr": 0.1, "data": "abc", "stages": ((0.5, 24),)}


def state_of(network, optimizer="adamw", layout=torch.channels_last):
    network.to(memory_format=layout)
    return State(
        network,
        criterion := nn.Linear(3, 2),  # a loss that learns
        Average(network, 0.9).network,
        build_optimiser(network, criterion, Settings(optimizer=optimizer)),
        Progress(),
    )


def steps(state, n, seed=0):
    """Updates on noise."""
    random = torch.Generator().manual_seed(seed)
    state.network.train()
    for _ in range(n):
        x = torch.randn(4, 3, 32, 32, generator=random).contiguous(memory_format=torch.channels_last)
        torch.manual_seed(n)
        state.criterion(state.network(x)).square().sum().backward()
        state.optimiser.step()
        state.optimiser.zero_grad()


def laid_out(tensor):
    """The strides that mean something."""
    return [stride for stride, n in zip(tensor.stride(), tensor.shape, strict=True) if n > 1]


def equal(first, second):
    tensors, others = checkpoint._tensors(first), checkpoint._tensors(second)
    return tensors.keys() == others.keys() and all(torch.equal(tensors[k], others[k]) for k in tensors)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_state_goes_on_as_if_it_had_not_been_saved(run, optimizer, layout):
    state = state_of(tiny_network(), optimizer, layout)
    steps(state, 3)
    state.progress = Progress([{"epoch": 1, "top1": 1 / 3}], 2, 0.1 + 0.2, 1e-3)
    checkpoint.save(run.last, state, TERMS)
    torch.manual_seed(99)
    other = state_of(build(TINY), optimizer, layout)
    assert not equal(state, other)
    assert checkpoint.resume(run, other, TERMS)
    assert equal(state, other)
    assert other.progress == state.progress
    for one, two in zip(state.network.parameters(), other.network.parameters(), strict=True):
        for key, value in state.optimiser.state[one].items():
            assert laid_out(other.optimiser.state[two][key]) == laid_out(value), key
    for both in (state, other):
        steps(both, 3, seed=1)
    assert equal(state, other)


def test_there_is_nothing_to_resume_in_a_new_run(run):
    assert not checkpoint.resume(run, state_of(tiny_network()), TERMS)


def test_the_state_before_is_kept_and_takes_over_when_the_newest_is_deleted(run):
    state = state_of(tiny_network())
    for step in (1, 2, 3):
        state.progress.step = step
        checkpoint.save(run.last, state, TERMS)
    run.last.write_bytes(b"spoiled")
    with pytest.raises(
        RunError, match=r"last\.safetensors is cut off or altered; delete it to go on from prev"
    ):
        checkpoint.resume(run, state, TERMS)
    run.last.unlink()
    assert checkpoint.resume(run, state, TERMS)
    assert state.progress.step == 2
    previous(run.last).write_bytes(b"spoiled too")
    with pytest.raises(RunError, match=r"previous\.safetensors is cut off .*start the training again"):
        checkpoint.resume(run, state, TERMS)


def test_every_prefix_is_refused_in_one_line(run):
    state = State(nn.Linear(2, 2), nn.Identity(), None, torch.optim.SGD([torch.zeros(1)]), Progress())
    checkpoint.save(run.last, state, TERMS)
    whole = run.last.read_bytes()
    assert checkpoint.resume(run, state, TERMS)
    for length in range(len(whole)):
        run.last.write_bytes(whole[:length])
        with pytest.raises(RunError, match="is cut off or altered; delete") as caught:
            checkpoint.read(run.last)
        assert "\n" not in str(caught.value)


def test_every_altered_byte_is_noticed(run):
    state = State(nn.Linear(2, 2), nn.Identity(), None, torch.optim.SGD([torch.zeros(1)]), Progress())
    checkpoint.save(run.last, state, TERMS)
    whole = run.last.read_bytes()
    tensors, facts = checkpoint.read(run.last)
    random = np.random.default_rng(0)
    for place in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[place] ^= int(random.integers(1, 256))
        run.last.write_bytes(spoiled)
        try:
            found, said = checkpoint.read(run.last)
        except RunError:
            continue
        # what the change touched means nothing, like a space in the header
        assert said == facts
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[k], tensors[k]) for k in tensors)


def test_other_terms_are_refused_by_name(run):
    state = state_of(tiny_network())
    checkpoint.save(run.last, state, TERMS)
    assert checkpoint.resume(run, state, TERMS)
    with pytest.raises(ConfigMismatch, match=r"\(lr: 0.1 there, 0.2 now\)"):
        checkpoint.resume(run, state, TERMS | {"lr": 0.2})


def test_another_network_is_refused(run):
    checkpoint.save(run.last, state_of(tiny_network()), TERMS)
    other = State(nn.Linear(2, 2), nn.Identity(), None, torch.optim.SGD([torch.zeros(1)]), Progress())
    with pytest.raises(RunError, match="of another network") as caught:
        checkpoint.resume(run, other, TERMS)
    assert "\n" not in str(caught.value)


def test_another_number_of_threads_is_said(run, capsys, monkeypatch):
    state = state_of(tiny_network())
    checkpoint.save(run.last, state, TERMS)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    checkpoint.resume(run, state, TERMS)
    assert "goes on with 77" in capsys.readouterr().err


LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from training_worker import CARD, tiny_network
from test_training_checkpoint import TERMS, state_of
from mobilenets.base.errors import StorageError
from mobilenets.nn import save_model
from mobilenets.training import checkpoint
last = Path(sys.argv[1])
best, state = last.with_name("best.safetensors"), state_of(tiny_network())
for path, save in (
    (last, lambda: checkpoint.save(last, state, TERMS)),
    (best, lambda: save_model(best, state.network, CARD)),
):
    save()
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        save()
    except StorageError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert path.read_bytes() == before
checkpoint.read(last)
assert not list(last.parent.glob(".*"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_one_line_and_the_old_state_stays(run):
    run.last.parent.mkdir(parents=True)
    command = [sys.executable, "-c", LIMITED, str(run.last), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(
        line.startswith(f"cannot write {run.last.parent}") and "File too large" in line for line in lines
    )
