"""Training of shared weights on drawn shapes: it is exact across a break, and teaches small networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from mobilenets.arch.card import Card
from mobilenets.arch.heads import embedder
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import Interrupted, UsageError
from mobilenets.base.run import Run
from mobilenets.data.load import load_dataset
from mobilenets.jobs.sandwich import Sandwich, candidate
from mobilenets.nas import spaces
from mobilenets.nn import read_safetensors
from mobilenets.nn.shared import Shared
from mobilenets.training import supernet
from mobilenets.training.settings import Settings
from mobilenets.training.supernet import load_shared, recalibrate, train_shared

SIDE = 32
SHORT = Settings(epochs=1, batch_size=8, lr=0.01, warmup_epochs=0.2, augment="none", seed=3)


@pytest.fixture(scope="module")
def blots(tmp_path_factory):
    """Two classes, a light left half and a light right half: 40 images, of which some are held out."""
    root = tmp_path_factory.mktemp("blots")
    for k, label in enumerate(("dark", "light")):
        for i in range(24):
            noise = np.random.default_rng([k, i]).integers(0, 100, (SIDE, SIDE, 3), dtype=np.uint8)
            image = Image.fromarray(noise)
            if k:
                ImageDraw.Draw(image).rectangle((4, 4, 27, 27), fill="white")
            path = root / label / f"{i:02}.png"
            path.parent.mkdir(exist_ok=True)
            image.save(path)
    return load_dataset(root, 0.25, 0, "classify")[0]


@pytest.fixture(scope="module")
def sandwich():
    """Of a small space of narrow, shallow networks."""
    seed = find("mobilenet_v2", 0.35, SIDE, 2)
    seed = replace(seed, blocks=seed.blocks[:5])
    return Sandwich.of(spaces.space_around("mnasnet", seed))


def begun(sandwich):
    """Fresh shared weights, and the card."""
    torch.manual_seed(0)
    arch = sandwich(0)[0].arch
    card = Card("classify", arch, ("dark", "light"), Preprocess(SIDE, SIDE))
    return Shared.of(sandwich.all()), card


def test_a_break_changes_nothing(blots, sandwich, tmp_path, monkeypatch):
    dataset = replace(blots, train=blots.train[::2])
    whole, card = begun(sandwich)
    train_shared(whole, sandwich, dataset, card, SHORT, Run(tmp_path / "whole"))

    class Once:
        """A wish that comes after the first step."""

        name = "SIGTERM"

        def __call__(self):
            return True

    broken, _ = begun(sandwich)
    run = Run(tmp_path / "broken")
    with monkeypatch.context() as patch:
        from contextlib import nullcontext

        patch.setattr(supernet, "stop_wish", lambda: nullcontext(Once()))
        with pytest.raises(
            Interrupted, match="SIGTERM ended the training of shared weights in epoch 1 after step 1"
        ):
            train_shared(broken, sandwich, dataset, card, SHORT, run)
    assert not run.weights.exists()
    again, _ = begun(sandwich)
    train_shared(again, sandwich, dataset, card, SHORT, run)
    one, other = (read_safetensors(Run(tmp_path / name).weights)[0] for name in ("whole", "broken"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], value) for name, value in begun(sandwich)[0].state_dict().items())


@pytest.mark.slow
def test_small_networks_learn(blots, sandwich, tmp_path):
    from mobilenets import tasks

    shared, card = begun(sandwich)
    run = Run(tmp_path / "run")
    train_shared(shared, sandwich, blots, card, replace(SHORT, epochs=12, lr=0.005), run)
    shared, task = load_shared(run.weights), tasks.get("classify")
    chance = np.random.default_rng(5)
    reached = []
    for genotype in (sandwich.smallest, *(sandwich.space.sample(chance) for _ in range(4))):
        network = shared.network(candidate(sandwich.space, genotype))
        recalibrate(network, blots.train, card)
        found = task.evaluate(network, task.val_feed(blots.val, card), card)
        reached.append(found.metrics["top1"])
    assert reached[0] >= 0.7, reached  # of the smallest; by chance 0.5
    assert sum(reached) / len(reached) >= 0.7, reached


def test_other_tasks_are_refused(blots, sandwich, tmp_path):
    shared, card = begun(sandwich)
    other = replace(card, task="embed", arch=embedder(card.arch), labels=())
    with pytest.raises(
        UsageError, match="between classifiers only, the task is embed; use --evaluator short"
    ):
        train_shared(shared, sandwich, blots, other, SHORT, Run(tmp_path))
