"""Measuring again while times spread."""

import pytest

from mobilenets.arch.heads import with_head
from mobilenets.arch.zoo import find
from mobilenets.bench.record import timing_of
from mobilenets.jobs.measured import beyond_tables, measured
from mobilenets.runtimes import parse_target

TARGET = "litert:cpu:1"
CALM, BUSY, BUSIER = (1.0, 1.0, 1.02, 1.03), (1.0, 1.5, 1.8, 2.5), (2.0, 3.0, 3.6, 5.0)


@pytest.fixture
def moments(monkeypatch, tmp_path):
    """What the machine will be like, one measurement after another."""
    coming = []

    def told(files, target, *, seconds):
        now = coming.pop(0)
        return {name: timing_of(now, target, 1, {}) for name in files}

    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    monkeypatch.setattr("mobilenets.jobs.measured._file", lambda *_: tmp_path)
    monkeypatch.setattr("mobilenets.bench.measure_files", told)
    return coming


@pytest.mark.parametrize(
    ("coming", "expected", "left", "warned"),
    [
        ([CALM, BUSY], CALM, 1, False),
        ([BUSY, CALM, BUSIER], CALM, 1, False),
        ([BUSIER, BUSY, BUSIER, CALM], BUSY, 1, True),
    ],
)
def test_the_quickest_of_up_to_three_counts(coming, expected, left, warned, moments, capsys):
    moments += coming
    archs = [find("mobilenet_v3_small", 0.35, 32), find("mobilenet_v2", 0.35, 32)]
    rows = measured(archs, TARGET)
    wanted = timing_of(expected, parse_target(TARGET), 1, {})
    assert [row["median_ms"] for row in rows] == [wanted.median_ms] * 2
    assert len(moments) == left
    assert ("something else is running there" in capsys.readouterr().err) == warned
    if warned:
        moments[:] = [CALM]
        calm = timing_of(CALM, parse_target(TARGET), 1, {})
        assert [row["median_ms"] for row in measured(archs, TARGET)] == [calm.median_ms] * 2, "not kept"
    else:
        assert measured(archs, TARGET) == rows, "it is kept"


def test_what_was_kept_is_not_believed_where_it_is_to_be_fresh(moments):
    arch = find("mobilenet_v3_small", 0.35, 32)
    faster = tuple(0.9 * ms for ms in CALM)
    moments += [faster, CALM]
    lucky, kept, again = (measured([arch], TARGET, fresh=fresh)[0] for fresh in (False, False, True))
    assert lucky == kept
    assert again["median_ms"] == timing_of(CALM, parse_target(TARGET), 1, {}).median_ms > lucky["median_ms"]
    assert measured([arch], TARGET)[0] == lucky, "trials that were told of it stay as they were"


def test_nms_is_beyond_what_tables_know(monkeypatch, tmp_path):
    backbone, forms = find("mobilenet_v3_small", 0.35, 32), []

    def made(arch, runtime, form):
        forms.append(form)
        return tmp_path / str(form)

    def told(files, target, *, seconds):
        times = {"None": (1.5, 1.5, 1.51), "plain": (1.2, 1.2, 1.21)}
        return {name: timing_of(times[path.name], target, 1, {}) for name, path in files.items()}

    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    monkeypatch.setattr("mobilenets.jobs.measured._file", made)
    monkeypatch.setattr("mobilenets.bench.measure_files", told)
    assert beyond_tables(backbone, TARGET) == 0
    assert not forms
    assert beyond_tables(with_head(backbone, "detect", 3), TARGET) == pytest.approx(0.3)
    assert forms == [None, "plain"]
