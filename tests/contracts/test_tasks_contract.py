"""What exporters and runtimes promise for detectors, segmenters and embedders."""

import numpy as np
import pytest
import torch
from task_subjects import SIDE, as_filed, decoded, task_subject

from mobilenets.base.errors import ExportError, ParityError, UsageError
from mobilenets.exporters import EXPORTERS, export, exporting
from mobilenets.exporters.outputs import NAMES
from mobilenets.nn import Deployed
from mobilenets.runtimes import RUNTIMES, open_session, parse_target, read_card
from mobilenets.tasks.detect import RULES

# The subjects amplify rounding, as trained networks do not: sums in another order move their answers by up to
# 2e-4 on one processor, and a box of SIDE pixels by a fifth of that share of its side.
CLOSE = 1e-3
slow = pytest.mark.slow
CASES = [
    pytest.param(("detect", "torch", "plain")),
    pytest.param(("detect", "onnx", "nms")),
    pytest.param(("detect", "litert", "nms")),
    pytest.param(("detect", "litert", "plain"), marks=slow),
    pytest.param(("detect", "onnx", "plain"), marks=slow),
    pytest.param(("softmax", "litert", "nms"), marks=slow),
    pytest.param(("softmax", "onnx", "plain"), marks=slow),
    pytest.param(("segment", "torch", "scores")),
    pytest.param(("segment", "onnx", "argmax")),
    pytest.param(("segment", "litert", "scores"), marks=slow),
    pytest.param(("segment", "onnx", "scores"), marks=slow),
    pytest.param(("segment", "litert", "argmax"), marks=slow),
    pytest.param(("embed", "torch", "")),
    pytest.param(("embed", "onnx", "")),
    pytest.param(("embed", "litert", ""), marks=slow),
]


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    """A subject, its exported file, opened, and what torch answers in the task's first form."""
    task, to, form = request.param
    subject = task_subject(task)
    path = tmp_path_factory.mktemp(f"{task}-{to}") / f"model{RUNTIMES[to]}"
    exported = export(subject.network, subject.card, path, to, subject.pixels, form=form or None)
    with torch.inference_mode():
        answers = Deployed(subject.network, subject.card.preprocess)(torch.from_numpy(subject.pixels).float())
    wanted = tuple(answer.numpy() for answer in (answers if isinstance(answers, tuple) else (answers,)))
    return subject, exported, open_session(path, parse_target(f"{to}:cpu:1")), wanted


def test_the_file_answers_as_torch_does(case):
    subject, exported, session, wanted = case
    given = session.outputs(subject.pixels)
    assert all(output.dtype == np.float32 and len(output) == len(subject.pixels) for output in given)
    assert all(np.ptp(output, axis=0).max() > 0.05 for output in wanted), "answers must depend on the image"
    match exported.card.outputs:
        case "nms":
            rules = RULES["file"]
            for index in range(len(subject.pixels)):
                ours = decoded(wanted, index, subject.card, (SIDE, SIDE), rules)
                theirs = as_filed(given, index, (SIDE, SIDE))
                assert len(ours) == len(theirs) > 20
                np.testing.assert_allclose(theirs.scores, ours.scores, rtol=0, atol=CLOSE)
                apart = (theirs.boxes - ours.boxes).abs().amax(dim=1) > CLOSE / 5 * SIDE
                # two scores nearer to each other than rounding may change places
                assert (apart | (theirs.labels != ours.labels)).sum() <= 4
        case "argmax":
            assert given[0].shape == wanted[0].shape[:3]
            second, first = np.sort(wanted[0], axis=-1)[..., -2:].transpose(3, 0, 1, 2)
            clear = first - second > CLOSE
            assert clear.mean() > 0.9
            assert (given[0] == wanted[0].argmax(axis=-1))[clear].all()
            assert len(np.unique(given[0])) == len(subject.card.labels)
        case _:
            for mine, torchs in zip(given, wanted, strict=True):
                np.testing.assert_allclose(mine, torchs, rtol=0, atol=CLOSE * max(1, np.abs(torchs).max()))


def test_the_file_says_what_it_gives(case):
    subject, exported, session, _ = case
    assert session.card == exported.card == read_card(exported.path)
    assert len(session.outputs(subject.pixels[:1])) == len(NAMES[subject.card.task, exported.card.outputs])
    assert exported.parity.n == len(subject.pixels)
    assert exported.parity.agreement > 0.99


def test_one_image_answers_as_in_a_batch(case):
    subject, _, session, _ = case
    for whole, one in zip(session.outputs(subject.pixels), session.outputs(subject.pixels[2:3]), strict=True):
        np.testing.assert_allclose(one[0], whole[2], rtol=0, atol=CLOSE * max(1, np.abs(whole[2]).max()))


def test_run_is_for_files_with_one_output(case):
    subject, _, session, _ = case
    if subject.card.task == "detect":
        with pytest.raises(ExportError, match=r"has (2|4) outputs; only what has one can be used here"):
            session.run(subject.pixels)
    else:
        np.testing.assert_array_equal(session.run(subject.pixels), session.outputs(subject.pixels)[0])
    assert session.invoke() is None


@pytest.mark.parametrize(
    ("task", "to", "form", "message"),
    [
        ("detect", "torch", "nms", "form 'nms' cannot be exported for detect to torch; known: plain"),
        ("detect", "onnx", "mediapipe", "for detect to onnx; known: nms, plain"),
        ("detect", "litert", "argmax", "for detect to litert; known: nms, plain, mediapipe"),
        ("embed", "onnx", "plain", "a file for embed has one form; leave it out"),
    ],
)
def test_a_form_that_is_not_there_is_named(task, to, form, message, tmp_path):
    subject = task_subject(task)
    with pytest.raises(UsageError, match=message):
        export(subject.network, subject.card, tmp_path / f"m{RUNTIMES[to]}", to, subject.pixels, form=form)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("task", "spoil"),
    [
        ("detect", lambda head: head.boxes[0].predict.bias),
        ("detect", lambda head: head.scores[1].predict.bias),
        ("segment", lambda head: head.high_classifier.bias),
        ("embed", lambda head: head.project.weight),
    ],
)
def test_a_file_that_answers_otherwise_takes_nobodys_place(task, spoil, tmp_path, monkeypatch):
    subject, path = task_subject(task), tmp_path / "model.safetensors"
    path.write_bytes(b"what was there")
    write = exporting.import_module(EXPORTERS["torch"]).write

    def write_spoilt(network, card, draft):
        kept = spoil(network.head).detach().clone()
        with torch.no_grad():
            spoil(network.head)[0] += 0.1
        write(network, card, draft)
        with torch.no_grad():
            spoil(network.head).copy_(kept)

    monkeypatch.setattr(f"{EXPORTERS['torch']}.write", write_spoilt)
    with pytest.raises(ParityError, match="does not answer as its network does") as caught:
        export(subject.network, subject.card, path, "torch", subject.pixels)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_nms_inside_a_tflite_file_finds_the_same_on_two_threads(tmp_path):
    subject = task_subject("detect")
    path = tmp_path / "model.tflite"
    export(subject.network, subject.card, path, "litert", subject.pixels, form="nms")
    one, two = (open_session(path, parse_target(f"litert:cpu:{threads}")) for threads in (1, 2))
    for mine, theirs in zip(one.outputs(subject.pixels), two.outputs(subject.pixels), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(
        UsageError, match="leaves a class out on 17 threads; use at most 16, or export it with --form plain"
    ):
        open_session(path, parse_target("litert:cpu:17"))


def test_nms_in_a_file_from_elsewhere_is_for_one_thread(tmp_path, monkeypatch):
    subject = task_subject("detect")
    path = tmp_path / "model.tflite"
    monkeypatch.setattr("mobilenets.exporters.tflite_nms.SPARE", 0)
    export(subject.network, subject.card, path, "litert", subject.pixels, form="nms")
    with pytest.raises(UsageError, match="leaves a class out on 2 threads; use 1, or export"):
        open_session(path, parse_target("litert:cpu:2"))
    open_session(path, parse_target("litert:cpu:3"))
