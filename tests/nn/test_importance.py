"""Scores of channels against what happens when channels are zeroed, one by one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mobilenets.arch import (
    Arch,
    Attention,
    Classifier,
    Conv,
    Dialect,
    Fused,
    Inverted,
    Separable,
    Universal,
    lower,
)
from mobilenets.arch.heads import with_head
from mobilenets.arch.spec import DeepLab
from mobilenets.arch.widths import narrowed, widths
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.nn import build, transplant
from mobilenets.nn.importance import scores

SIDE = 16
PLAIN = Dialect("any", 1e-3, 0.1)
MIXED = Arch(
    "mixed",
    SIDE,
    (
        Conv(3, 8, 2, "relu"),
        Inverted(3, 16, 8, squeeze=8),
        Separable(3, 8),
        Inverted(3, 8, 8, expand=False),
        Fused(3, 12, 10, 2),
        Universal(3, 3, 16, 10),
        Attention(10, heads=2, key=4, value=4),
        Conv(1, 14, 1, "hardswish"),
    ),
    Classifier(5, 12),
    PLAIN,
)
HIDDEN = "blocks.1.expand"


def settled(arch, seed=0):
    """A network whose norms have seen images."""
    torch.manual_seed(seed)
    network = build(arch)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.endswith("norm.weight"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() == 1:
                tensor.normal_(0, 0.3)
            elif "classifier" in name:
                tensor.normal_(0, 0.5)
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None
        network.train()(images(16))
    return network.eval()


def images(count=8, seed=1):
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def batches(dtype=torch.float32):
    return [(images(8, seed).to(dtype), torch.arange(8) % 5) for seed in range(2)]


def losses(network, changed, amount=1.0):
    """The cross entropy of every image, where some modules read one of their channels less by an amount."""

    def less(channel):
        def hook(_, given):
            x = given[0].clone()
            x[:, channel] *= 1 - amount
            return (x,)

        return hook

    hooks = [
        network.get_submodule(name).register_forward_pre_hook(less(channel))
        for name, channel in changed.items()
    ]
    with torch.inference_mode():
        found = [F.cross_entropy(network(x), y, reduction="none") for x, y in batches(torch.float64)]
    for hook in hooks:
        hook.remove()
    return torch.cat(found)


# who reads these channels, by hand
READERS = {
    "blocks.0": ["blocks.1.expand", "blocks.2.pointwise"],
    "blocks.1.expand": ["blocks.1.squeeze.reduce", "blocks.1.project"],
    "blocks.1.squeeze.reduce": ["blocks.1.squeeze.expand"],
    "blocks.2.pointwise": ["blocks.3.project", "blocks.4.expand"],
    "blocks.4.expand": ["blocks.4.project"],
    "blocks.4.project": ["blocks.5.expand", "blocks.6.query", "blocks.6.key", "blocks.6.value", "blocks.7"],
    "blocks.5.expand": ["blocks.5.project"],
    "blocks.6.mix": ["blocks.6.project"],
    "blocks.7": ["head.hidden"],
    "head.hidden": ["head.classifier"],
}


def test_every_set_of_channels_is_scored_once():
    for kind in ("activation", "taylor"):
        found = scores(settled(MIXED), kind, batches(), F.cross_entropy)
        assert found.keys() == READERS.keys()
        ops = dict(lower(MIXED).named_ops())
        for path, score in found.items():
            assert score.shape == (ops[path].cout,)
            assert score.isfinite().all()
            assert (score >= 0).all()
            assert score.std() > 0
    assert scores(settled(MIXED)) == {}


@pytest.mark.parametrize("path", READERS)
def test_taylor_is_the_slope_of_the_loss(path):
    """Against losses with the channel a little smaller and a little larger wherever it is read."""
    network, step = settled(MIXED).double(), 1e-5
    found = scores(network, "taylor", batches(torch.float64), F.cross_entropy)[path]
    for channel in range(0, len(found), 3):
        changed = dict.fromkeys(READERS[path], channel)
        slope = (losses(network, changed, -step) - losses(network, changed, step)) / (2 * step)
        assert found[channel] == pytest.approx(float(slope.abs().mean()), rel=1e-3, abs=1e-8)


def test_taylor_is_exact_where_everything_is_linear():
    blocks = (Conv(3, 6, 2, "none"), Inverted(3, 9, 7, activation="none"), Conv(1, 5, 1, "none"))
    network = settled(Arch("linear", SIDE, blocks, Classifier(5), PLAIN)).double()
    weight = torch.randn(5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def loss(outputs, _):
        return (outputs @ weight).mean()

    found = scores(network, "taylor", batches(torch.float64), loss)
    readers = {"blocks.0": "blocks.1.expand", "blocks.1.expand": "blocks.1.project",
               "blocks.1.project": "blocks.2", "blocks.2": "head.classifier"}  # fmt: skip
    assert found.keys() == readers.keys()
    with torch.inference_mode():
        whole = torch.cat([network(x) for x, _ in batches(torch.float64)]) @ weight
        for path, reader in readers.items():
            for channel, score in enumerate(found[path]):
                module = network.get_submodule(reader)
                hook = module.register_forward_pre_hook(
                    lambda _, given, channel=channel: (without(given[0], channel),)
                )
                change = torch.cat([network(x) for x, _ in batches(torch.float64)]) @ weight - whole
                hook.remove()
                torch.testing.assert_close(change.abs().mean(), score)


def without(x, channel):
    x = x.clone()
    x[:, channel] = 0
    return x


def ranks(scores):
    return scores.argsort().argsort().double()


@pytest.mark.parametrize(
    "path", ["blocks.1.expand", "blocks.4.expand", "blocks.5.expand", "blocks.7", "head.hidden"]
)
def test_taylor_ranks_channels_as_zeroing_them_does(path):
    network = settled(MIXED).double()
    whole = losses(network, {})
    changes = torch.stack(
        [
            (losses(network, dict.fromkeys(READERS[path], channel)) - whole).abs().mean()
            for channel in range(dict(lower(MIXED).named_ops())[path].cout)
        ]
    )
    found = scores(network, "taylor", batches(torch.float64), F.cross_entropy)[path]
    agreement = torch.corrcoef(torch.stack([ranks(changes), ranks(found)]))[0, 1]
    assert agreement > 0.8


def test_activation_is_the_mean_magnitude_of_what_is_read():
    network, seen = settled(MIXED), {}
    for name in ("blocks.4.expand", "blocks.1.depthwise", "blocks.1.squeeze"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, made, name=name: seen.setdefault(name, []).append(made)
        )
    found = scores(network, "activation", batches())
    made = {name: torch.cat(each).double() for name, each in seen.items()}

    def share(x):
        mean = x.abs().mean((0, 2, 3))
        return mean / mean.mean()

    torch.testing.assert_close(found["blocks.4.expand"], share(made["blocks.4.expand"]), rtol=1e-4, atol=0)
    pooled = made["blocks.1.depthwise"].mean((2, 3), keepdim=True)
    wanted = share(pooled) + share(made["blocks.1.squeeze"])
    torch.testing.assert_close(found["blocks.1.expand"], wanted, rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["activation", "taylor"])
def test_channels_that_never_answer_score_zero_and_go_first(kind):
    network = settled(MIXED)
    state, silent = network.state_dict(), {"blocks.1": [3, 11], "blocks.4": [0, 7], "blocks.5": [15]}
    for block, channels in silent.items():
        for part in ("expand", "depthwise"):
            for key in ("weight", "bias"):
                if (name := f"{block}.{part}.norm.{key}") in state:
                    state[name][channels] = 0
    found = scores(network, kind, batches(), F.cross_entropy)
    for block, channels in silent.items():
        assert found[f"{block}.expand"][channels].tolist() == [0] * len(channels)
    made = transplant(
        network, narrowed(MIXED, {"blocks.1.hidden": 14, "blocks.4.hidden": 10, "blocks.5.hidden": 15}), found
    )
    with torch.inference_mode():
        torch.testing.assert_close(made(images()), network(images()), rtol=0, atol=1e-4)


HEADS = (
    ("detect", {"extras": (16, 8, 8, 4)}),
    ("segment", {"head": "lraspp"}),
    ("segment", {"head": "deeplab", "channels": 16}),
    ("embed", {}),
)


@pytest.mark.parametrize("kind", ["activation", "taylor"])
@pytest.mark.parametrize(("task", "options"), HEADS)
def test_every_head_is_scored_and_the_scores_fit(task, options, kind):
    arch = with_head(find("mobilenet_v3_small", 0.35, 32), task, 3, **options)
    network = settled(arch)

    def loss(outputs, _):
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum(part.flatten(1).square().mean() for part in outputs)

    data = [(torch.randn(2, 3, 32, 32), None)]
    found = scores(network, kind, data, loss)
    made = transplant(
        network, narrowed(arch, {w.name: max(w.least, w.channels // 2) for w in widths(arch)}), found
    )
    with torch.inference_mode():
        made(data[0][0])
    if options.get("head") == "deeplab":
        branches = [found[f"head.{name}"] for name in ("branches.0", "branches.1", "branches.2", "mean")]
        assert all(score.shape == (16,) and score.std() > 0 for score in branches)
        assert not torch.equal(branches[0], branches[1])


def test_branches_are_told_apart_where_they_are_read_together():
    blocks = (Conv(3, 6, 2), Conv(3, 8, 2))
    arch = Arch("branches", SIDE, blocks, DeepLab(3, ("blocks.1",), 4, (2,)), PLAIN)
    network = settled(arch)
    found = scores(network, "activation", batches())
    weight = network.head.project.conv.weight
    read = []
    network.head.project.register_forward_pre_hook(lambda _, given: read.append(given[0].double()))
    with torch.inference_mode():
        for x, _ in batches():
            network(x)
    mean = torch.cat(read).abs().mean((0, 2, 3))
    assert weight.shape[1] == len(mean) == 12
    for index, part in enumerate(("branches.0", "branches.1", "mean")):
        own = mean[4 * index : 4 * index + 4]
        torch.testing.assert_close(found[f"head.{part}"], own / own.mean(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["activation", "taylor"])
def test_the_network_is_left_as_it_was(kind):
    network = settled(MIXED).train()
    network.blocks[1].eval()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    first = scores(network, kind, batches(), F.cross_entropy)
    second = scores(network, kind, batches(), F.cross_entropy)
    assert all(torch.equal(score, second[path]) for path, score in first.items())
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.grad.eq(1).all() for parameter in network.parameters())
    assert not any(module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize("kind", ["activation", "taylor"])
def test_images_count_alike_however_they_are_batched(kind):
    network = settled(MIXED)
    x, y = images(9), torch.arange(9) % 5
    one = scores(network, kind, [(x, y)], F.cross_entropy)
    two = scores(network, kind, [(x[:2], y[:2]), (x[2:], y[2:])], F.cross_entropy)
    for path, score in one.items():
        torch.testing.assert_close(score, two[path], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "given", "error", "message"),
    [
        ("l1", {}, UnknownName, "no importance 'l1'; known: activation, norm, taylor"),
        ("activation", {}, UsageError, "importance by activation needs batches$"),
        ("taylor", {"batches": []}, UsageError, "importance by taylor needs batches and a loss"),
        ("activation", {"batches": []}, UsageError, "needs at least one batch of images, got none"),
    ],
)
def test_what_is_missing_is_named(kind, given, error, message):
    with pytest.raises(error, match=message):
        scores(build(MIXED), kind, **given)


def test_an_answer_that_does_not_depend_on_a_channel():
    """A detector's loss on boxes alone says nothing of the layers that score classes."""
    arch = with_head(find("mobilenet_v3_small", 0.35, 32), "detect", 3, extras=(16, 8, 8, 4))
    found = scores(
        settled(arch), "taylor", [(torch.randn(2, 3, 32, 32), None)], lambda out, _: out[0].square().mean()
    )
    assert all(score.isfinite().all() for score in found.values())
