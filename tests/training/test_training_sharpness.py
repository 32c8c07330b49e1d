"""Sharpness-aware steps: where they look, what they leave, and that narrow valleys do not hold them."""

import pytest
import torch
from torch import nn
from training_worker import tiny_network, tiny_training

from mobilenets.training import loop
from mobilenets.training.optimiser import frozen
from mobilenets.training.sharpness import uphill


def test_within_the_weights_lie_up_their_gradient_and_afterwards_where_they_were():
    network = tiny_network().train()
    frozen(network, 2)[0].requires_grad_(False)
    images = torch.randn(8, 3, 32, 32)
    network(images).square().mean().backward()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    slopes = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    length = torch.sqrt(sum(slope.square().sum() for slope in slopes.values()))
    with uphill(network, network.parameters(), 0.3):
        for name, parameter in network.named_parameters():
            moved = 0.3 * slopes[name] / length if name in slopes else torch.zeros(())
            torch.testing.assert_close(parameter.detach(), before[name] + moved, rtol=0, atol=1e-6)
        network(2 * images).mean().backward()
    for name, value in network.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, before[name]), name
    assert {part.momentum for part in network.modules() if isinstance(part, nn.BatchNorm2d)} == {0.1}


def test_a_narrow_valley_is_left_however_deep():
    """Two valleys along one line: at 0, as narrow as 0.1, to a depth of 1.1; at 2, as wide as 1, to 1."""
    place = nn.Parameter(torch.tensor([0.05]))

    def loss():
        return -1.1 * torch.exp(-((place / 0.1) ** 2)) - torch.exp(-((place - 2) ** 2))

    ends = []
    for rho in (0.0, 0.5):
        place.data.fill_(0.05)
        optimiser = torch.optim.SGD([place], lr=0.005)
        for _ in range(2000):
            optimiser.zero_grad()
            loss().sum().backward()
            if rho:
                with uphill(nn.Identity(), [place], rho):
                    optimiser.zero_grad()
                    loss().sum().backward()
            optimiser.step()
        ends.append(place.item())
    assert ends[0] == pytest.approx(0, abs=0.05)
    assert ends[1] > 0.4


def test_a_step_takes_the_gradient_from_up_there(blobs, tmp_path, monkeypatch):
    seen = []
    gradients = loop._gradients
    monkeypatch.setattr(loop, "_gradients", lambda *given: seen.append(gradients(*given)) or seen[-1])
    settings = {"epochs": 1, "batch_size": 16, "lr": 1e-3, "ema_decay": 0.0}
    tiny_training(blobs, tmp_path / "flat", **settings)
    plain = len(seen)
    tiny_training(blobs, tmp_path / "sharp", **settings | {"sam_rho": 0.05})
    pairs = list(zip(seen[plain::2], seen[plain + 1 :: 2], strict=True))
    assert len(pairs) == plain
    assert all(up > here for here, up in pairs)


def test_blocks_that_stay_as_they_are_are_run_once_a_step(blobs, tmp_path):
    """And the training is the same to the bit as where they are run with the others."""
    ends = []
    for watched in (False, True):
        monkey = pytest.MonkeyPatch()
        if watched:
            monkey.setattr("mobilenets.training.parts.Parts.fixed", 0)
        settings = {"epochs": 1, "batch_size": 16, "lr": 1e-3, "freeze_stride": 2, "sam_rho": 0.05}
        trained = tiny_training(blobs, tmp_path / str(watched), **settings)
        ends.append([row["train_loss"] for row in trained.history])
        monkey.undo()
    assert ends[0] == ends[1]
