"""A teacher sees the student's pixels its own way, and answers in the student's order."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from training_worker import CARD, TINY, tiny_network, tiny_teacher

from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError
from mobilenets.nn import build, normalise
from mobilenets.training.teacher import Teacher, Teaching, channels, identity

CPU = torch.device("cpu")


def teaching(teacher, card=CARD):
    return Teaching(teacher, card, CPU, torch.channels_last)


def pixels(side=32, n=2):
    return torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )


def test_it_sees_the_pixels_in_its_own_normalisation_and_names_the_students_classes():
    teacher = tiny_teacher()
    answers, maps = teaching(teacher).lesson(normalise(CARD.preprocess, pixels()), maps=True)
    with torch.no_grad():
        own = teacher.module.eval()(normalise(teacher.card.preprocess, pixels()))
        seen = teacher.module.features(normalise(teacher.card.preprocess, pixels()))
    assert teacher.card.labels == ("violet", "white", "amber", "green")
    assert CARD.labels == ("amber", "green", "violet")
    torch.testing.assert_close(answers, own[:, [2, 3, 0]], rtol=1e-4, atol=1e-5)
    assert maps.keys() == seen.keys() == channels(teacher.module).keys()
    for stride, one in maps.items():
        assert one.shape[1] == channels(teacher.module)[stride]
        torch.testing.assert_close(one, seen[stride], rtol=1e-4, atol=1e-4)


def test_it_is_shown_images_at_its_own_resolution():
    arch = replace(TINY, resolution=48)
    torch.manual_seed(1)
    network = build(arch).eval()
    card = Card("classify", arch, CARD.labels, Preprocess(crop=48, resize=48))
    x = normalise(CARD.preprocess, pixels())
    larger = nn.functional.interpolate(x, (48, 48), mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        expected = network(larger)
    for teacher in (Teacher(network, card), Teacher(network)):
        torch.testing.assert_close(teaching(teacher).lesson(x)[0], expected)


def test_it_works_on_a_copy_in_evaluation_mode():
    network = tiny_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    at_work = teaching(Teacher(network))
    x = normalise(CARD.preprocess, pixels())
    first, second = (at_work.lesson(x)[0] for _ in range(2))
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("scoring", ["sigmoid", "softmax"])
def test_a_detectors_background_stays_in_front(scoring):
    def arch(classes):
        made = with_head(find("mobilenet_v3_small", width=0.35, resolution=64), "detect", classes)
        return replace(made, head=replace(made.head, scoring=scoring))

    record = Preprocess(64, 64, fit="stretch")
    student = Card("detect", arch(2), ("cup", "hat"), record)
    torch.manual_seed(0)
    teacher = Teacher(build(arch(3)).eval(), Card("detect", arch(3), ("hat", "cap", "cup"), record))
    x = torch.randn(1, 3, 64, 64)
    offsets, logits = teaching(teacher, student).lesson(x)[0]
    with torch.no_grad():
        moved, known = teacher.module(x)
    order = [0, 3, 1] if scoring == "softmax" else [2, 0]
    torch.testing.assert_close(offsets, moved)
    torch.testing.assert_close(logits, known[..., order])


def headed(task, classes=3, resolution=64, **options):
    """A small network with a head, and its card."""
    arch = with_head(find("mobilenet_v3_small", width=0.35, resolution=resolution), task, classes, **options)
    labels = tuple("abcdef"[:classes])
    record = Preprocess(resolution, resolution, fit="stretch" if task in ("detect", "segment") else "crop")
    return build(arch), Card(task, arch, labels, record)


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (headed("segment"), headed("classify"), "was made to segment, the student is to classify"),
        (headed("classify", 2), headed("classify"), "has no class 'c'; give one trained on these classes"),
        (
            headed("detect"),
            headed("detect", resolution=96),
            "begin at other places than the student's; train",
        ),
        (
            headed("detect"),
            headed("detect", scales=(0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)),
            "begin at other places",
        ),
        ((headed("classify", 5)[0], None), headed("classify"), "has 5 classes, the student 3; give its run"),
        (
            (nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 4)), None),
            headed("classify"),
            r"with \(2, 4\)",
        ),
        (
            (nn.Flatten(1), None),
            headed("segment"),
            r"\(2, 12288\), which no student gives that is to segment 3",
        ),
        ((nn.Flatten(1), None), headed("detect"), "which no student gives that is to detect 3 classes"),
    ],
)
def test_one_that_does_not_suit_is_refused_in_one_line(teacher, student, message):
    with pytest.raises(UsageError, match=message) as caught:
        teaching(Teacher(*teacher), student[1])
    assert "\n" not in str(caught.value)


def test_a_class_that_it_has_twice_is_refused():
    network, card = headed("classify", 3)
    teacher = Teacher(network, replace(card, labels=("a", "crane", "crane")))
    student = headed("classify", 3)[1]
    with pytest.raises(UsageError, match="has the class 'crane' 2 times"):
        teaching(teacher, replace(student, labels=("crane", "a", "b")))
    same = replace(student, labels=teacher.card.labels)  # in the same order there is nothing to match
    assert teaching(teacher, same).lesson(torch.zeros(1, 3, 64, 64))[0].shape == (1, 3)


def test_teachers_of_vectors_need_no_names():
    network, card = headed("embed", 0, size=8)
    answers, _ = teaching(Teacher(network, card), headed("embed", 0, size=16)[1]).lesson(
        torch.zeros(2, 3, 64, 64)
    )
    assert answers.shape == (2, 8)


def test_what_decides_answers_decides_the_id():
    teacher = tiny_teacher()
    assert teacher.id == tiny_teacher().id == replace(teacher, origin="elsewhere").id
    assert teacher.id.startswith("teacher ")
    assert len(teacher.id.split()[1]) == 12
    others = [
        tiny_teacher(seed=6),
        replace(teacher, card=None),
        replace(teacher, card=replace(teacher.card, labels=teacher.card.labels[::-1])),
        replace(teacher, card=replace(teacher.card, preprocess=Preprocess(crop=32, resize=40))),
    ]
    assert len({one.id for one in (teacher, *others)}) == 5
    measured = replace(
        teacher.card, metric={"name": "top1", "value": 0.5, "n": 4, "split": "val"}, command="x"
    )
    assert replace(teacher, card=measured).id == teacher.id
    assert replace(teacher, card=measured).described == (
        "teacher from a file, which began with none, top1 0.5000 on 4 val images"
    )


def test_images_are_told_apart_by_names_and_sizes(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.write_bytes(b"1")
    first = identity(paths)
    assert first.startswith("2 images ")
    paths[1].write_bytes(b"12")
    assert identity(paths) != first
