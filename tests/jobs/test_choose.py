from dataclasses import replace

import pytest

from mobilenets.arch import cost
from mobilenets.base.errors import BudgetError
from mobilenets.base.files import read_json
from mobilenets.base.run import Run
from mobilenets.jobs import choose as module
from mobilenets.jobs.choose import Budget, Pins, candidates, choose
from mobilenets.runtimes import parse_target
from mobilenets.weights import registry

MACS_PER_MS = 40e6


@pytest.fixture
def measured(monkeypatch):
    """Latency by arithmetic instead of a device; the names of what was measured."""
    seen = []

    def pretend(one, target):
        seen.append((one.arch.name, one.width, one.arch.resolution))
        return replace(one, median_ms=cost(one.arch).macs / MACS_PER_MS, iqr_ms=0.1)

    monkeypatch.setattr(module, "_measured", pretend)
    return seen


def budget(ms, margin=0.0):
    return Budget(ms, parse_target("litert:cpu:1"), margin)


@pytest.fixture(autouse=True)
def without_the_hub(monkeypatch):
    """Choices do not depend on an extra that may be installed here."""
    monkeypatch.setattr(registry, "hub_is_here", lambda: False)


def test_weights_on_the_hub_count_where_they_can_be_had(monkeypatch):
    monkeypatch.setattr(registry, "hub_is_here", lambda: True)
    best = candidates(Pins(), 224)[0]
    assert (best.arch.name, best.width, best.top1) == ("mobilenet_v1", 1.25, 76.92)


def test_the_most_capable_comes_first():
    listed = candidates(Pins(), 224)
    assert [(one.arch.name, one.width) for one in listed[:3]] == [
        ("mobilenet_v2", 1.4),
        ("mobilenet_v3_large", 1.0),
        ("mobilenet_v2", 1.3),
    ]
    assert [one.top1 for one in listed] == sorted((one.top1 for one in listed), reverse=True)


def test_a_wide_budget_takes_the_best(tmp_path, measured):
    arch = choose(Run(tmp_path), budget(1000), Pins(resolution=224)).arch
    assert (arch.name, cost(arch).macs) == ("mobilenet_v2", 582_195_824)
    assert measured[0] == ("mobilenet_v2", 1.4, 224)
    assert len(measured) == 3  # the chosen one and two smaller neighbours


def test_the_best_that_fits_is_taken_and_written_down(tmp_path, measured):
    arch = choose(Run(tmp_path), budget(2.0), Pins(resolution=224)).arch
    document = read_json(Run(tmp_path).candidates)
    rows = {(row["name"], row["width"]): row for row in document["candidates"]}
    chosen = next(row for row in rows.values() if row["chosen"])
    assert cost(arch).macs == chosen["macs"] <= 80e6
    fitting = [row["top1"] for row in rows.values() if row["macs"] <= 80e6]
    assert chosen["top1"] == max(fitting)
    # far too large ones are not measured at all
    assert rows["mobilenet_v2", 1.4]["median_ms"] is None


def test_the_margin_counts(tmp_path, measured):
    exact = 216_589_760 / MACS_PER_MS
    assert choose(Run(tmp_path / "a"), budget(exact), Pins(resolution=224)).arch.name == "mobilenet_v3_large"
    small = choose(Run(tmp_path / "b"), budget(exact, 0.1), Pins(resolution=224)).arch
    assert cost(small).macs < 216_589_760
    assert small.name != "mobilenet_v3_large"


def test_a_second_call_reads_the_first(tmp_path, measured):
    first = choose(Run(tmp_path), budget(3), Pins(resolution=160))
    measured.clear()
    assert choose(Run(tmp_path), budget(3), Pins(resolution=160)) == first
    assert measured == []


def test_smaller_sides_are_tried_where_the_choice_is_free(tmp_path, measured):
    arch = choose(Run(tmp_path), budget(1.2), Pins(model="mobilenet_v3_large")).arch
    assert arch.resolution == 96  # 128 pixels would take 1.8 ms


def test_pins_are_kept(tmp_path, measured):
    arch = choose(Run(tmp_path), budget(100), Pins("mobilenet_v2", 0.5, 128, "timm")).arch
    assert (arch.name, arch.resolution, arch.dialect.name, cost(arch).params) == (
        "mobilenet_v2",
        128,
        "timm",
        1_968_680,
    )
    assert measured == [("mobilenet_v2", 0.5, 128)]


def test_an_alias_settles_its_width(tmp_path, measured):
    arch = choose(Run(tmp_path), budget(100), Pins("mobilenetv2_050", resolution=96)).arch
    assert (arch.dialect.name, cost(arch).params) == ("timm", 1_968_680)
    assert read_json(Run(tmp_path).candidates)["candidates"][0]["width"] == 0.5


def test_nothing_fits(tmp_path, measured):
    with pytest.raises(
        BudgetError, match=r"nothing meets 0\.01 ms .* the closest is mobilenet_v\S+ 0\.35 at 96"
    ) as e:
        choose(Run(tmp_path), budget(0.01), Pins(resolution=96))
    assert "\n" not in str(e.value)
    assert not Run(tmp_path).candidates.exists()
