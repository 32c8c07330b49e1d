"""Average, parameter groups, progress, evaluation."""

from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from training_worker import CARD, dataset_of, tiny_network

from mobilenets.arch.heads import with_head
from mobilenets.nn import build
from mobilenets.tasks.classify import Classify
from mobilenets.tasks.embed import criterion
from mobilenets.training.ema import Average
from mobilenets.training.optimiser import build_optimiser, groups, set_rate
from mobilenets.training.parts import prepare
from mobilenets.training.progress import Progress, best_row, highest_row, is_finished
from mobilenets.training.settings import Settings


def test_the_average_follows_its_formula():
    network = tiny_network()
    average = Average(network, 0.9)
    name, expected = "blocks.0.conv.weight", network.state_dict()["blocks.0.conv.weight"].double()
    for n in range(1, 200):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.01 * n)
            network.blocks[0].norm.num_batches_tracked.add_(1)
        average.update(network, n)
        decay = min(0.9, (1 + n) / (4 + n))
        expected = decay * expected + (1 - decay) * network.state_dict()[name].double()
    found = average.network.state_dict()
    torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=1e-5)
    assert found["blocks.0.norm.num_batches_tracked"] == 199
    assert not average.network.training


def test_norms_biases_and_depthwise_filters_do_not_decay():
    network = tiny_network()
    settings = Settings(weight_decay=0.5, head_lr_factor=10)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {
        names[id(p)]: group for group in groups(network, nn.Identity(), settings) for p in group["params"]
    }
    assert found.keys() == set(names.values())  # none is left out
    for name, group in found.items():
        spared = name.endswith(".bias") or ".norm." in name or ".depthwise." in name
        assert group["weight_decay"] == (0 if spared else 0.5), name
        assert group["factor"] == (10 if name.startswith("head.classifier") else 1), name
    decayed = groups(network, nn.Identity(), Settings(weight_decay=0.5, decay_depthwise=True))
    assert any(
        p is network.blocks[1].depthwise.conv.weight
        for g in decayed
        if g["weight_decay"]
        for p in g["params"]
    )


def test_what_a_loss_begins_with_follows_from_the_seed_alone(blobs):
    card = replace(CARD, task="embed", labels=(), arch=with_head(CARD.arch, "embed", 0, size=4))

    def begun(seed):
        torch.rand(seed + 1)  # whatever was drawn before
        parts = prepare(Accelerator(cpu=True), build(card.arch), dataset_of(blobs), card, Settings(seed=seed))
        return torch.cat([one.flatten() for one in parts.criterion.parameters()])

    first, again, other = begun(0), begun(0), begun(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_length_that_a_loss_learns_does_not_decay():
    loss = criterion("classify", classes=3, size=4)
    decays = {
        id(p): group["weight_decay"]
        for group in groups(tiny_network(), loss, Settings())
        for p in group["params"]
    }
    assert decays[id(loss.length)] == decays[id(loss.classifier.bias)] == 0
    assert decays[id(loss.classifier.weight)] > 0


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_rate_reaches_every_group(name, kind):
    optimiser = build_optimiser(tiny_network(), nn.Identity(), Settings(optimizer=name, head_lr_factor=10))
    assert type(optimiser) is kind
    set_rate(optimiser, 0.25)
    assert {group["lr"] for group in optimiser.param_groups} == {0.25, 2.5}


def history(*scores):
    return [{"epoch": i + 1, "top1": top1, "val_loss": loss} for i, (top1, loss) in enumerate(scores)]


def test_the_highest_epoch_is_decided_by_top1_then_loss_then_time():
    rows = history((0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1))
    assert highest_row(rows, "top1")["epoch"] == 3


def test_the_best_epoch_is_the_latest_that_cannot_be_told_from_the_highest():
    rows = history((0.5, 1.0), (0.8, 0.9), (0.77, 0.8), (0.75, 0.8))
    assert best_row(rows, "top1", 100)["epoch"] == 3  # a standard error of 4 points
    assert best_row(rows, "top1", 50)["epoch"] == 4  # of 5.7
    assert best_row(rows, "top1", 1000)["epoch"] == 2  # of 1.3
    assert best_row(history((1.0, 0.1), (0.99, 0.1)), "top1", 10)["epoch"] == 1


def test_training_ends_early_when_nothing_improves():
    rows = history((0.5, 1.0), (0.7, 0.9), (0.6, 0.8), (0.6, 0.7))
    assert is_finished(Progress(rows), "top1", Settings(epochs=10, patience=2))
    assert not is_finished(Progress(rows), "top1", Settings(epochs=10, patience=3))
    assert not is_finished(Progress(rows), "top1", Settings(epochs=10))
    assert is_finished(Progress(rows), "top1", Settings(epochs=4))
    assert not is_finished(Progress(), "top1", Settings(patience=1))


def test_evaluation_is_the_network_on_preprocessed_images(blobs):
    from mobilenets.data.preprocess import read_pixels
    from mobilenets.nn import normalise

    network, val = tiny_network().train(), dataset_of(blobs).val
    held = Classify().val_feed(val, CARD)
    found = Classify().evaluate(network, held, CARD)
    assert network.training
    pixels = torch.stack([read_pixels(CARD.preprocess, sample.path) for sample in val])
    with torch.no_grad():
        logits = network.eval()(normalise(CARD.preprocess, pixels))
    truth = torch.tensor([sample.label for sample in val])
    assert found.metrics == {"top1": (logits.argmax(1) == truth).double().mean().item()}
    assert found.loss == pytest.approx(nn.functional.cross_entropy(logits, truth).item(), rel=1e-5)
    assert Classify().evaluate(network, held, CARD, stop=lambda: True) is None
    assert not network.training


def test_what_the_loss_learns_is_trained_with_the_head():
    criterion = nn.Linear(4, 3)
    found = groups(tiny_network(), criterion, Settings(weight_decay=0.5, head_lr_factor=10))
    by_id = {id(p): group for group in found for p in group["params"]}
    assert by_id[id(criterion.weight)]["factor"] == by_id[id(criterion.bias)]["factor"] == 10
    assert by_id[id(criterion.weight)]["weight_decay"] == 0.5
    assert by_id[id(criterion.bias)]["weight_decay"] == 0
