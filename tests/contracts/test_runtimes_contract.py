"""What every runtime promises."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from mobilenets.base.errors import DataError, ExportError, RunError, UsageError, WeightsError
from mobilenets.nn import normalise
from mobilenets.runtimes import RUNTIMES, open_session, parse_target, read_card, runtime_of

# of a probability: the network is untrained, stretched until it tells images apart, and its rounding with it
CLOSE = 1e-3


@pytest.fixture(scope="session")
def session(exported):
    return open_session(exported.path, parse_target(f"{runtime_of(exported.path)}:cpu:1"))


def test_answers_are_torchs(session, subject):
    images = torch.from_numpy(subject.pixels).permute(0, 3, 1, 2)
    with torch.inference_mode():
        wanted = subject.network(normalise(subject.card.preprocess, images)).softmax(1).numpy()
    assert np.ptp(wanted, axis=0).max() > 0.3, "the answers must depend on the image"
    given = session.run(subject.pixels)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, wanted, rtol=0, atol=CLOSE)


def test_float_pixels_are_the_same_pixels(session, subject):
    np.testing.assert_array_equal(session.run(subject.pixels.astype(np.float32)), session.run(subject.pixels))


def test_one_image_answers_as_in_a_batch(session, subject):
    whole = session.run(subject.pixels)
    np.testing.assert_allclose(session.run(subject.pixels[2:3])[0], whole[2], rtol=0, atol=CLOSE)


def test_the_session_knows_its_file(session, exported, subject):
    assert session.card == subject.card
    assert session.input_shape == (1, 64, 64, 3)
    assert session.path == exported.path
    assert all(session.versions().values())


def test_invoke_is_an_inference_that_leaves_answers_alone(session, subject):
    before = session.run(subject.pixels)
    assert session.invoke() is None
    np.testing.assert_array_equal(session.run(subject.pixels), before)


def test_two_threads_give_the_same_answers(session, exported, subject):
    threads = torch.get_num_threads()
    two = open_session(exported.path, parse_target(f"{runtime_of(exported.path)}:cpu:2"))
    np.testing.assert_allclose(two.run(subject.pixels), session.run(subject.pixels), rtol=0, atol=CLOSE)
    assert torch.get_num_threads() == threads, "the process keeps its setting"


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 32, 64, 3), np.uint8),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 3, 64, 64), np.float32),
        np.zeros((1, 64, 64, 3), np.int64),
        np.zeros((0, 64, 64, 3), np.uint8),
    ],
)
def test_other_pixels_are_refused(session, pixels):
    with pytest.raises(DataError, match=r"takes pixels of shape \(B, 64, 64, 3\) as uint8 or float32"):
        session.run(pixels)


@pytest.mark.parametrize("keep", [0, 0.001, 0.3, 0.9])
def test_a_truncated_file_is_named(exported, tmp_path, keep):
    content = exported.path.read_bytes()
    path = tmp_path / exported.path.name
    path.write_bytes(content[: int(keep * len(content))])
    _refused(path, "whole")


def test_a_file_of_something_else_is_named(exported, tmp_path):
    path = tmp_path / exported.path.name
    path.write_bytes(b"<html>not found</html>" * 50)
    _refused(path, "whole")


def _refused(path, word):
    """Opening and reading the card both end in one line that names the file."""
    target = parse_target(f"{runtime_of(path)}:cpu:1")
    for attempt in (lambda: open_session(path, target), lambda: read_card(path)):
        with pytest.raises((ExportError, WeightsError), match=word) as caught:
            attempt()
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_missing_file_is_named(runtime, tmp_path):
    path = tmp_path / f"none{RUNTIMES[runtime]}"
    with pytest.raises(RunError, match=r"none\..* does not exist"):
        open_session(path, parse_target(f"{runtime}:cpu:1"))
    with pytest.raises(RunError, match="does not exist"):
        read_card(path)


def test_a_file_for_another_runtime_is_named(exported):
    own = runtime_of(exported.path)
    other = next(runtime for runtime in RUNTIMES if runtime != own)
    with pytest.raises(UsageError, match=f"is a file for {own}, the target is {other}:cpu:1"):
        open_session(exported.path, parse_target(f"{other}:cpu:1"))


def test_running_writes_nothing_on_stdout(exported):
    """Results go there, one JSON document and nothing else."""
    code = (
        "import sys, numpy\nfrom pathlib import Path\nfrom mobilenets.runtimes import *\n"
        "path = Path(sys.argv[1])\n"
        "session = open_session(path, parse_target(runtime_of(path) + ':cpu:1'))\n"
        "session.run(numpy.zeros(session.input_shape, 'uint8'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert "INFO" not in done.stderr
