import pytest
import torch

from mobilenets.training.schedule import learning_rate, seed_at, side
from mobilenets.training.settings import Settings


def test_the_rate_is_torchs_warm_up_and_cosine():
    settings = Settings(epochs=5, lr=0.4, warmup_epochs=2)
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=0.4)
    warm = torch.optim.lr_scheduler.LinearLR(optimiser, 1 / 20, 1, 19)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
    both = torch.optim.lr_scheduler.SequentialLR(optimiser, [warm, cosine], [20])
    for step in range(50):
        assert learning_rate(settings, step, 10) == pytest.approx(both.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        both.step()


def test_warm_up_may_be_absent_or_everything():
    assert learning_rate(Settings(epochs=2, lr=1, warmup_epochs=0), 0, 10) == 1
    assert learning_rate(Settings(epochs=2, lr=1, warmup_epochs=9), 19, 10) == 1
    assert learning_rate(Settings(epochs=2, lr=1, warmup_epochs=0.5, schedule="constant"), 15, 10) == 1


def test_the_side_follows_the_schedule():
    settings = Settings(epochs=10, resolution_schedule=((0.5, 64), (0.8, 80)))
    assert [side(settings, epoch, 96) for epoch in range(10)] == [64] * 5 + [80] * 3 + [96] * 2
    assert side(settings, 0, 32) == 32  # never beyond the network's own
    assert side(Settings(), 0, 96) == 96


def test_positions_have_seeds_of_their_own():
    seeds = {seed_at(a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_at(0, 11) != seed_at(0, 1, 1)
