"""The loop itself: it learns, stops, fails and goes on as it says."""

import csv
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_worker import BUSY, CARD, dataset_of, outcome, tiny_network, tiny_training

from mobilenets.base.errors import ConfigMismatch, DataError, Interrupted, RunError, TrainingError
from mobilenets.base.run import Run
from mobilenets.nn import load_model
from mobilenets.tasks.classify import Classify
from mobilenets.tasks.task import Judged
from mobilenets.training import checkpoint, loop
from mobilenets.training.checkpoint import previous
from mobilenets.training.progress import best_row
from mobilenets.training.settings import Settings

EASY = {"epochs": 12, "batch_size": 8, "lr": 0.02, "warmup_epochs": 1, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def learned(blobs, tmp_path_factory):
    """A finished easy training: its run and what came back."""
    run = Run(tmp_path_factory.mktemp("easy"))
    return run, tiny_training(blobs, run.folder, **EASY)


def test_it_learns(learned, blobs):
    run, trained = learned
    network, card = load_model(run.weights)
    found = {}
    for split in ("train", "val"):
        held = Classify().val_feed(dataset_of(blobs).split(split), card)
        found[split] = Classify().evaluate(network, held, card).metrics["top1"]
    assert found["train"] > 0.9
    assert found["val"] == trained.metric == card.metric["value"]
    assert card.metric == {"name": "top1", "value": trained.metric, "n": 18, "split": "val"}
    assert trained.history[trained.epoch - 1] == best_row(trained.history, "top1", 18)
    assert (trained.epochs, len(trained.history)) == (12, 12)
    assert trained.seconds == pytest.approx(sum(row["seconds"] for row in trained.history))
    assert run.weights.read_bytes() == run.best.read_bytes()


def test_the_history_is_in_csv_and_tensorboard(learned):
    run, trained = learned
    rows = list(csv.DictReader(run.metrics.open()))
    assert list(rows[0]) == ["epoch", "seconds", "lr", "train_loss", "val_loss", "top1"]
    assert [{k: float(v) for k, v in row.items()} for row in rows] == trained.history
    assert events(run)["top1"] == pytest.approx([row["top1"] for row in trained.history])


def events(run):
    """Every scalar in the run's TensorBoard folder, with its steps checked."""
    reader = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    found = {}
    for name in reader.Tags()["scalars"]:
        scalars = reader.Scalars(name)
        assert [scalar.step for scalar in scalars] == list(range(1, len(scalars) + 1))
        found[name] = [scalar.value for scalar in scalars]
    return found


def test_a_finished_training_returns_at_once(learned, blobs, monkeypatch):
    run, trained = learned
    monkeypatch.setattr(Classify, "val_feed", None)  # would have to be called for any work
    before = run.weights.stat().st_mtime_ns
    assert tiny_training(blobs, run.folder, **EASY, workers=3) == trained
    assert run.weights.stat().st_mtime_ns == before
    run.weights.unlink()  # as if killed right before the end
    tiny_training(blobs, run.folder, **EASY)
    assert run.weights.read_bytes() == run.best.read_bytes()


def test_finished_weights_are_not_replaced_for_want_of_checkpoints(learned, blobs, tmp_path):
    copy = Run(tmp_path / "copy")
    shutil.copytree(learned[0].folder, copy.folder)
    shutil.rmtree(copy.last.parent)
    before = copy.weights.read_bytes()
    with pytest.raises(RunError, match="holds finished weights, but no checkpoints to go on from"):
        tiny_training(blobs, copy.folder, **EASY)
    assert copy.weights.read_bytes() == before


def test_other_settings_in_the_same_run_are_refused(learned, blobs):
    run, _ = learned
    with pytest.raises(ConfigMismatch, match=r"\(lr: 0.02 there, 0.5 now\)"):
        tiny_training(blobs, run.folder, **EASY | {"lr": 0.5})


def test_a_spoiled_best_file_is_named(learned, blobs):
    run, _ = learned
    whole = run.best.read_bytes()
    run.best.write_bytes(whole[:-1])
    with pytest.raises(RunError, match=r"best\.safetensors .*; delete .*checkpoints to train again"):
        tiny_training(blobs, run.folder, **EASY)
    run.best.write_bytes(whole)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_lost_loss_is_named_and_the_last_state_is_sound(blobs, tmp_path, optimizer):
    run = Run(tmp_path)
    wild = EASY | {"lr": 1e6, "optimizer": optimizer, "checkpoint_seconds": 0, "weight_decay": 0.9}
    with pytest.raises(
        TrainingError, match=r"in epoch \d+, step \d+, at the learning rate .*try lr 100000 or clip_norm 1"
    ) as caught:
        tiny_training(blobs, run.folder, **wild | {"epochs": 60})
    assert "\n" not in str(caught.value)
    tensors, _ = checkpoint.read(run.last)
    assert all(torch.isfinite(tensor).all() for name, tensor in tensors.items() if name.startswith("model/"))
    assert not run.weights.exists()


def test_training_ends_early(blobs, tmp_path, monkeypatch):
    scores = iter([0.5, 0.75, 0.7, 0.6])  # on 18 images 0.7 cannot be told from 0.75
    monkeypatch.setattr(Classify, "evaluate", lambda *_, **__: Judged(1.0, {"top1": next(scores)}))
    trained = tiny_training(blobs, tmp_path, **EASY | {"patience": 2})
    assert (trained.epochs, trained.epoch, trained.metric) == (4, 3, 0.7)


@pytest.mark.parametrize(
    "settings", [{"precision": "bfloat16"}, {"channels_last": False, "ema_decay": 0}, {"workers": 1}]
)
def test_other_ways_to_train_run_too(blobs, tmp_path, settings):
    assert tiny_training(blobs, tmp_path, **EASY | {"epochs": 1} | settings).epochs == 1


@pytest.fixture(scope="module")
def unbroken(server, blobs, tmp_path_factory):
    """How the busy training ends when nothing breaks it, and how many seconds that takes."""
    run = Run(tmp_path_factory.mktemp("straight"))
    begin, status = server
    begin(blobs, run, BUSY)
    wait_for_newer(run.metrics, 0)
    begun = time.monotonic()
    assert status() == 0
    return outcome(run), time.monotonic() - begun


@pytest.fixture(scope="module")
def straight(unbroken):
    """How it ends."""
    return unbroken[0]


@pytest.fixture(scope="module")
def lasts(unbroken):
    """The seconds from its first step on."""
    return unbroken[1]


def hit(pid, sent):
    """Send a signal to a process, which may be gone by now."""
    assert pid > 1, f"{pid} is no training"
    with suppress(ProcessLookupError):
        os.kill(pid, sent)


def age(path):
    """When a file was written, 0 before it is there."""
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_for_newer(path, than, pid=None):
    """Until a file is written after `than`, or the process that would do it has ended."""
    end = time.monotonic() + 120
    while age(path) <= than and (pid is None or is_alive(pid)):
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.002)


def is_alive(pid):
    """Whether there is a process with this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def killed_until_done(root, run, kills, lasts, begin, status):
    """Train in pieces: `kills` times killed after a random time, then to the end. How often it was hit."""
    chance = random.Random(kills)
    hits = 0
    for left in range(kills, -1, -1):
        written = age(run.metrics)
        pid = begin(root, run, BUSY)
        if left:
            wait_for_newer(run.metrics, written, pid)  # written anew right before the first step
            time.sleep(chance.uniform(0, 0.8 * lasts))
            hit(pid, signal.SIGKILL)
        ended = status()
        assert ended in ((0, -signal.SIGKILL) if left else (0,))
        hits += ended == -signal.SIGKILL
        checkpoint.read(run.last)  # never unreadable
        if ended == 0:
            break
    return hits


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_instant_it_ends_as_if_never_killed(blobs, tmp_path, server, straight, lasts, kills):
    broken = Run(tmp_path)
    assert killed_until_done(blobs, broken, kills, lasts, *server) > 0
    assert outcome(broken) == straight
    assert len(list(csv.DictReader(broken.metrics.open()))) == BUSY["epochs"]
    assert all(len(values) == BUSY["epochs"] for values in events(broken).values())


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_signal_saves_and_the_next_call_goes_on(blobs, tmp_path, server, straight):
    begin, status = server
    run, rare = Run(tmp_path), BUSY | {"checkpoint_seconds": 1000.0}
    pid = begin(blobs, run, rare)
    end = time.monotonic() + 120
    while not run.metrics.exists() or len(run.metrics.read_text().splitlines()) < 2:  # one of the epochs
        assert time.monotonic() < end
        time.sleep(0.002)
    hit(pid, signal.SIGTERM)
    assert status() == 130
    _, facts = checkpoint.read(run.last)
    assert facts["progress"]["step"] > 0, "what an epoch's end saves has no step begun"
    begin(blobs, run, rare)
    assert status() == 0
    assert outcome(run) == straight


def test_a_signal_ends_within_its_step_and_says_how_to_go_on(blobs, tmp_path, monkeypatch):
    step = loop._step

    def interrupted(*args):
        value = step(*args)
        os.kill(os.getpid(), signal.SIGTERM)
        return value

    run = Run(tmp_path)
    monkeypatch.setattr(loop, "_step", interrupted)
    with pytest.raises(
        Interrupted,
        match=r"SIGTERM ended the training in epoch 1 after step 1; .*same command again to go on",
    ):
        tiny_training(blobs, run.folder, **EASY)
    assert checkpoint.read(run.last)[1]["progress"]["step"] == 1


def test_from_the_state_before_it_goes_on_to_the_same_end(blobs, tmp_path):
    run, again = Run(tmp_path / "one"), Run(tmp_path / "two")
    short = BUSY | {"epochs": 2}
    tiny_training(blobs, run.folder, **short)
    again.last.parent.mkdir(parents=True)
    previous(again.last).write_bytes(previous(run.last).read_bytes())
    again.best.write_bytes(run.best.read_bytes())
    tiny_training(blobs, again.folder, **short)
    assert outcome(again) == outcome(run)


def test_frozen_blocks_stay_as_they_came(blobs, tmp_path):
    before = tiny_network().state_dict()
    settings = {**EASY, "epochs": 1, "freeze_stride": 2, "ema_decay": 0.0}
    tiny_training(blobs, tmp_path, **settings)
    after = load_model(Run(tmp_path).weights)[0].state_dict()
    frozen = [name for name in before if name.startswith(("blocks.0.", "blocks.1."))]  # maps of stride 2
    assert len(frozen) > 20
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    free = [name for name in before if name not in frozen and before[name].numel() > 1]
    assert not any(torch.equal(before[name], after[name]) for name in free)


def test_a_single_image_is_refused(blobs, tmp_path):
    alone = replace(dataset_of(blobs), train=dataset_of(blobs).train[:1])
    with pytest.raises(DataError, match="1 image to train on is too few"):
        loop.train(tiny_network(), alone, CARD, Settings(epochs=1), Run(tmp_path))


def test_an_end_that_was_asked_for_as_the_training_was_done_is_one(blobs, tmp_path, monkeypatch):
    """Whoever goes on after the training must not."""
    end_epoch = loop._end_epoch

    def judged(*given):
        end_epoch(*given)
        if given[2].state.progress.epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "_end_epoch", judged)
    with pytest.raises(Interrupted, match="ended the training as it was done"):
        tiny_training(blobs, tmp_path / "run", **EASY | {"epochs": 2})
    again = tiny_training(blobs, tmp_path / "run", **EASY | {"epochs": 2})
    assert again.epochs == 2
