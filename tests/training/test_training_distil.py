"""Learning from a teacher: its losses beside torch's own, and the loop with it."""

import os
import signal
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, kl_divergence
from training_worker import (
    BUSY,
    CARD,
    TAUGHT,
    TINY,
    dataset_of,
    lessons,
    outcome,
    tiny_network,
    tiny_teacher,
    tiny_training,
)

from mobilenets.arch import card as cards
from mobilenets.arch.heads import with_head
from mobilenets.arch.zoo import find
from mobilenets.base.errors import ConfigMismatch, UsageError
from mobilenets.base.run import Run
from mobilenets.nn import build, load_model
from mobilenets.training import Settings, Teacher, checkpoint, distil, loop, train
from mobilenets.training.distil import Distilled, compared, imitation, unexplained


def drawn(*shape, seed=0):
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_classes_are_compared_by_their_divergence(temperature):
    own, taught = drawn(5, 4), drawn(5, 4, seed=1)
    expected = kl_divergence(Categorical(logits=taught / temperature), Categorical(logits=own / temperature))
    found = imitation(own, taught, TINY.head, temperature)
    assert found.item() == pytest.approx(expected.mean().item() * temperature**2, rel=1e-5)


def test_pixels_are_compared_one_by_one_at_the_students_size():
    head = with_head(find("mobilenet_v2", resolution=64), "segment", 3).head
    own, taught = drawn(2, 3, 6, 4), drawn(2, 3, 3, 2, seed=1)
    whole = nn.functional.interpolate(taught, (6, 4), mode="bilinear", align_corners=False)
    pairs = [Categorical(logits=x.permute(0, 2, 3, 1)) for x in (whole, own)]
    assert imitation(own, taught, head, 1.0).item() == pytest.approx(
        kl_divergence(*pairs).mean().item(), rel=1e-5
    )


@pytest.mark.parametrize("size", [6, 9])
def test_vectors_are_compared_by_cosines(size):
    head = with_head(find("mobilenet_v2", resolution=64), "embed", 0, size=6).head
    own, taught = (nn.functional.normalize(drawn(5, n, seed=n), dim=1) for n in (6, size))
    if size == 6:
        taught = nn.functional.normalize(drawn(5, 6, seed=1), dim=1)
        expected = 1 - nn.functional.cosine_similarity(own, taught).mean()
    else:
        rows = []
        for i in range(5):
            others = [j for j in range(5) if j != i]
            near = [Categorical(logits=distil.SHARPNESS * torch.stack([x[i] @ x[j] for j in others]))
                    for x in (taught, own)]  # fmt: skip
            rows.append(kl_divergence(*near))
        expected = torch.stack(rows).mean()
    assert imitation(own, taught, head, 7.0).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("scoring", ["sigmoid", "softmax"])
def test_boxes_are_compared_where_the_teacher_sees_things(scoring):
    head = replace(with_head(find("mobilenet_v2", resolution=64), "detect", 2).head, scoring=scoring)
    n, entries = 40, 2 + (scoring == "softmax")
    known = torch.full((1, n, entries), -20.0)
    known[..., 0] = -20.0 if scoring == "sigmoid" else 20.0  # nothing anywhere
    known[0, 7] = -20.0
    known[0, 7, -1] = 20.0  # but here
    own, moved, still = drawn(1, n, entries), torch.zeros(1, n, 4), torch.zeros(1, n, 4)
    moved[0, 7], moved[0, 8] = 3.0, 100.0  # the second is background
    if scoring == "sigmoid":
        each = kl_divergence(Bernoulli(logits=known), Bernoulli(logits=own)).sum(2)[0]
    else:
        each = kl_divergence(Categorical(logits=known), Categorical(logits=own))[0]
    rest = torch.cat([each[:7], each[8:]]).sort(descending=True).values
    expected = each[7] + 4 * 2.5 + rest[:3].sum()  # smooth L1 of 3 is 2.5
    assert imitation((moved, own), (still, known), head, 1.0).item() == pytest.approx(
        expected.item(), rel=1e-4
    )


def test_a_map_is_compared_by_the_share_of_variance_that_is_missed():
    taught = drawn(3, 1, 4, 4) * 7 + 2
    guess = taught + drawn(3, 1, 4, 4, seed=1)
    x, y = guess.numpy().ravel(), taught.numpy().ravel()
    assert unexplained(guess, taught).item() == pytest.approx(((x - y) ** 2).mean() / np.var(y), rel=1e-5)
    assert unexplained(taught.mean().expand(3, 1, 4, 4), taught).item() == pytest.approx(1)
    assert unexplained(taught, taught).item() == 0
    assert unexplained(torch.zeros(3, 1, 2, 2), taught).isfinite()  # another size
    assert unexplained(torch.zeros(3, 1, 4, 4), torch.zeros(3, 1, 4, 4)).item() == 0  # a teacher that is dead


def test_the_deepest_maps_that_both_have_are_compared():
    own, other = {2: 16, 4: 24, 8: 40, 16: 112, 32: 960}, {2: 8, 4: 12, 8: 24, 16: 48}
    assert compared(own, other, 0) == {4: (24, 12), 8: (40, 24), 16: (112, 48)}
    assert compared(own, other, 4) == {8: (40, 24), 16: (112, 48)}  # what is frozen cannot learn
    assert compared(own, {}, 0) == {}


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "embed"])
def test_nothing_is_to_learn_from_oneself_and_something_from_others(task):
    arch = find("mobilenet_v3_small", width=0.35, resolution=64)
    arch = with_head(arch, task, 0 if task == "embed" else 3)
    torch.manual_seed(0)
    first, second = build(arch).eval(), build(arch).eval()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = drawn(2, 3, 64, 64)
    own, others = first(x), second(x)
    assert imitation(own, own, arch.head, 2.0).item() == pytest.approx(0, abs=1e-5)
    loss = imitation(own, others, arch.head, 2.0)
    assert loss.item() > 1e-4
    loss.backward()
    gradients = [p.grad for p in first.parameters() if p.grad is not None]
    assert sum(g.abs().sum() for g in gradients) > 0
    assert all(torch.isfinite(g).all() for g in gradients)


def test_labels_count_for_the_first_images_and_the_teacher_for_all():
    settings = Settings(distil_weight=0.25, distil_temperature=1.0, distil_features=3.0)
    own = nn.CrossEntropyLoss()
    loss = Distilled(own, TINY.head, settings, {4: (16, 20)})
    answers, taught, labels = drawn(5, 3), drawn(5, 3, seed=1), torch.tensor([0, 2, 1])
    maps, shown = {4: drawn(5, 16, 3, 3)}, {2: drawn(5, 9, 6, 6), 4: drawn(5, 20, 3, 3, seed=2)}
    expected = (0.75 * own(answers[:3], labels) + 0.25 * imitation(answers, taught, TINY.head, 1.0)
                + 3 * unexplained(torch.zeros(5, 20, 3, 3), shown[4]))  # fmt: skip
    assert loss((answers, maps), labels, (taught, shown)).item() == pytest.approx(expected.item())
    parts = dict(loss.named_parameters())
    assert parts.keys() == {"projections.4.weight", "projections.4.bias"}
    alone = Distilled(own, TINY.head, replace(settings, distil_features=0.0), {})
    assert not dict(alone.named_parameters())
    assert alone(answers, labels, (taught, {})).item() == pytest.approx(
        (0.75 * own(answers[:3], labels) + 0.25 * imitation(answers, taught, TINY.head, 1.0)).item()
    )


EASY = {"epochs": 12, "batch_size": 8, "lr": 0.02, "warmup_epochs": 1, "ema_decay": 0.9}


def test_a_student_learns_what_only_its_teacher_knows(blobs, tmp_path):
    """Without labels (their share is 0) the student comes to answer as a trained teacher does."""
    tiny_training(blobs, tmp_path / "teacher", **EASY)
    module, card = load_model(Run(tmp_path / "teacher").weights)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    student = build(TINY)
    settings = Settings(**EASY, distil_weight=1.0, distil_features=1.0, mixup=0.2)
    run = Run(tmp_path / "student")
    trained = train(student, dataset_of(blobs), CARD, settings, run, Teacher(module, card, "here"))
    assert card.metric["value"] > 0.8
    assert trained.metric > 0.8
    assert load_model(run.weights)[1].teacher.startswith("tiny from here, which began with none, top1 ")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert "projections" not in " ".join(load_model(run.weights)[0].state_dict())


def test_a_module_of_any_kind_can_teach(blobs, tmp_path):
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    settings = Settings(**EASY | {"epochs": 1}, precision="bfloat16")
    train(tiny_network(), dataset_of(blobs), CARD, settings, Run(tmp_path), module)
    _, facts = checkpoint.read(Run(tmp_path).last)
    assert facts["terms"]["teacher"].startswith("Sequential ")
    assert load_model(Run(tmp_path).weights)[1].teacher == "Sequential"


def test_without_a_teacher_nothing_is_said_of_one(blobs, tmp_path):
    tiny_training(blobs, tmp_path, **EASY | {"epochs": 1})
    tensors, facts = checkpoint.read(Run(tmp_path).last)
    assert not [name for name in facts["terms"] if name.startswith(("distil", "teacher", "unlabelled"))]
    assert not [name for name in tensors if name.startswith(checkpoint.CRITERION)]
    assert "teacher" not in cards.dumps(load_model(Run(tmp_path).weights)[1])


@pytest.mark.parametrize(
    ("given", "lessons", "message"),
    [
        ({}, (None, ["a.png"]), "nobody judges the images without labels; give a teacher"),
        (
            {"distil_weight": 0, "distil_features": 0},
            (tiny_teacher(),),
            "nothing is learned from the teacher with distil_weight",
        ),
        ({"distil_weight": 0}, (nn.Sequential(nn.Flatten(), nn.Linear(3072, 3)),), "has no maps to compare"),
        (
            {"distil_features": 1},
            (nn.Sequential(nn.Flatten(), nn.Linear(3072, 3)),),
            "has no maps to compare",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(blobs, tmp_path, given, lessons, message):
    with pytest.raises(UsageError, match=message) as caught:
        train(tiny_network(), dataset_of(blobs), CARD, Settings(**given), Run(tmp_path), *lessons)
    assert "\n" not in str(caught.value)
    assert not Run(tmp_path).last.exists()


SHORT = BUSY | TAUGHT | {"epochs": 2}


@pytest.fixture(scope="module")
def straight(blobs, tmp_path_factory):
    """A busy training with a teacher that nothing breaks."""
    run = Run(tmp_path_factory.mktemp("straight"))
    tiny_training(blobs, run.folder, taught=True, **SHORT)
    return run


def test_the_projections_are_in_the_state(straight):
    tensors, facts = checkpoint.read(straight.last)
    names = [name for name in tensors if "projections" in name]
    assert {"criterion/projections.4.weight", "optimiser/criterion/projections.4.weight/exp_avg"} <= {*names}
    assert all(tensors[name].abs().sum() > 0 for name in names)
    assert facts["terms"]["teacher"] == tiny_teacher().id
    assert facts["terms"]["unlabelled"].startswith("17 images ")


def test_another_teacher_is_refused_by_name(straight, blobs):
    other = tiny_teacher(seed=6)
    paths = lessons(dataset_of(blobs))[1]

    def again(*lessons):
        return train(tiny_network(), dataset_of(blobs), CARD, Settings(**SHORT), straight, *lessons)

    with pytest.raises(
        ConfigMismatch, match=rf"\(teacher: '?{tiny_teacher().id}'? there, '?{other.id}'? now\)"
    ):
        again(other, paths)
    with pytest.raises(
        ConfigMismatch, match=r"\(unlabelled: '?17 images \w+'? there, '?16 images \w+'? now\)"
    ):
        again(tiny_teacher(), paths[:16])
    with pytest.raises(ConfigMismatch, match=r"teacher: .* there, None now"):
        again()
    assert again(replace(tiny_teacher(), origin="moved"), paths).epochs == 2  # it is the weights that count


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_it_goes_on_bit_for_bit_from_any_step(straight, blobs, tmp_path, monkeypatch, steps):
    """The state is saved after every step, and the process dies, as it were, in a later one."""
    step, left = loop._step, iter(range(steps))

    def dying(*args):
        if next(left, None) is None:
            raise MemoryError
        return step(*args)

    run = Run(tmp_path)
    monkeypatch.setattr(loop, "_step", dying)
    with pytest.raises(MemoryError):
        tiny_training(blobs, run.folder, taught=True, **SHORT | {"checkpoint_seconds": 0})
    monkeypatch.setattr(loop, "_step", step)
    tiny_training(blobs, run.folder, taught=True, **SHORT)
    assert outcome(run) == outcome(straight)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_killed_with_a_teacher_it_ends_as_if_never_killed(blobs, tmp_path, server):
    begin, status = server
    long = SHORT | {"epochs": 6}
    run, settings = Run(tmp_path / "killed"), long | {"checkpoint_seconds": 0}
    straight = Run(
        tmp_path / "straight"
    )  # by the same server: with one thread, as it is bit for bit then only
    begin(blobs, straight, long, taught=True)
    assert status() == 0
    pid = begin(blobs, run, settings, taught=True)
    end = time.monotonic() + 120
    while not run.last.exists() or checkpoint.read(run.last)[1]["progress"]["step"] < 1:
        assert time.monotonic() < end
        time.sleep(0.002)
    assert pid > 1
    os.kill(pid, signal.SIGKILL)
    assert status() == -signal.SIGKILL
    assert len(checkpoint.read(run.last)[1]["progress"]["history"]) < 6
    begin(blobs, run, long, taught=True)
    assert status() == 0
    assert outcome(run) == outcome(straight)
