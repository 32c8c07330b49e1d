"""A file on another device keeps what every runtime promises; it answers here, and is timed there."""

import numpy as np
import pytest
from test_runtimes_contract import (  # noqa: F401 - the suite is run here again
    test_answers_are_torchs,
    test_float_pixels_are_the_same_pixels,
    test_invoke_is_an_inference_that_leaves_answers_alone,
    test_one_image_answers_as_in_a_batch,
    test_other_pixels_are_refused,
    test_the_session_knows_its_file,
)

from mobilenets.bench import measure_interleaved
from mobilenets.runtimes import open_session, parse_target
from standins import REAL, Devices

TARGETS = ("litert:adb=ABC:1", "litert:ssh=user@board:1")


pytestmark = pytest.mark.parametrize("exported", ["litert"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def attached(tmp_path_factory):
    """Devices whose benchmark_model really runs the file."""
    with pytest.MonkeyPatch.context() as patch:
        found = Devices(tmp_path_factory.mktemp("devices"), patch)
        found.model("real", REAL)
        yield found


@pytest.fixture(scope="module", params=TARGETS)
def session(request, attached, exported):
    return open_session(exported.path, parse_target(request.param))


def test_it_answers_as_on_this_machine(session, exported, subject):
    here = open_session(exported.path, parse_target("litert:cpu:1"))
    np.testing.assert_array_equal(session.run(subject.pixels), here.run(subject.pixels))


def test_it_is_timed_on_the_device(session, attached):
    timing = measure_interleaved({"": session}, rounds=2, seconds=0.1, warmup=1)[""]
    assert 0 < timing.min_ms <= timing.median_ms < 1000
    assert timing.basis == "benchmark_model's medians of 2 laps"
    assert timing.target == str(session.target)
    assert timing.environment["file"]
    assert attached.files() == {"benchmark_model"}
