"""`fit` between two networks: which larger one is taken, and what becomes of both ways."""

import pytest

from mobilenets.arch import edit
from mobilenets.arch.zoo import find
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run, open_run
from mobilenets.jobs import ways
from mobilenets.jobs.choose import Budget, Pins, as_it_is
from mobilenets.jobs.material import Material
from mobilenets.jobs.start import read_data
from mobilenets.jobs.train import train_in
from mobilenets.nn import load_model
from mobilenets.runtimes import parse_target

BUDGET = Budget(10.0, parse_target("litert:cpu:1"))  # 9 ms with the margin


def candidates(run, *rows):
    """candidates.json with rows of width, ms and whether chosen."""
    write_json(
        run.candidates,
        {
            "candidates": [
                {"name": "mobilenet_v2", "width": width, "resolution": 96, "median_ms": ms,
                 "meets": None if ms is None else ms <= BUDGET.limit, "chosen": chosen}
                for width, ms, chosen in rows
            ]
        },
    )  # fmt: skip


def test_the_fastest_of_those_that_are_too_slow(tmp_path):
    run = Run(tmp_path)
    candidates(run, (1.4, 20.0, False), (1.0, 12.0, False), (0.75, 7.0, True), (0.5, 4.0, False))
    found = ways.larger(run, BUDGET, Pins(), as_it_is)
    assert (found.name, found.median_ms) == ("mobilenet_v2 1", 12.0)
    assert found.plan.arch == find("mobilenet_v2", 1.0, 96)


@pytest.mark.parametrize(
    ("rows", "pins"),
    [
        ([(1.0, 12.0, False), (0.75, 8.5, True)], Pins()),  # what fits leaves next to nothing
        ([(1.0, None, False), (0.75, 5.0, True)], Pins()),  # the larger was not measured
        ([(0.75, 5.0, True), (0.5, 3.0, False)], Pins()),  # there is none
        ([(0.75, 5.0, True), (0.5, 12.0, False)], Pins()),  # what is too slow is less capable, too
        ([(1.0, 12.0, False), (0.75, 5.0, True)], Pins(model="mobilenet_v2")),
    ],
)
def test_no_second_way(rows, pins, tmp_path):
    candidates(Run(tmp_path), *rows)
    assert ways.larger(Run(tmp_path), BUDGET, pins, as_it_is) is None


def test_what_is_kept_stands_where_a_finished_run_has_it(tmp_path):
    run, narrow = Run(tmp_path), Run(tmp_path / "adapted")
    for place in (run, narrow):
        for name in ("arch", "card", "adaptation", "metrics", "weights"):
            path = getattr(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of {place.folder.name}")
    write_json(run.ways, {"kept": "fits"})
    ways.keep(run)
    assert run.weights.read_text() == f"weights of {tmp_path.name}"
    write_json(run.ways, {"kept": "adapted"})
    ways.keep(run)
    ways.keep(run)
    assert run.weights.read_text() == "weights of adapted"
    assert run.adaptation.read_text() == "adaptation of adapted"
    found = Run(tmp_path / "searched")
    for name in ("arch", "card", "metrics", "weights", "search", "finalists"):
        path = getattr(found, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of searched")
    write_json(run.ways, {"kept": "searched"})
    ways.keep(run)
    assert (run.weights.read_text(), run.search.read_text()) == ("weights of searched", "search of searched")


@pytest.mark.slow
def test_a_search_besides(shapes, tmp_path):
    """`fit --search`: what is best on the val split is kept, with what led there."""
    from mobilenets.jobs.fit import fit

    asked = {"model": "mobilenet_v3_small", "width": 0.35, "resolution": 32, "weights": "none"}
    settings = {"epochs": 2, "batch_size": 8}
    result = fit(shapes, budget="1ms", out=tmp_path / "run", search=0.005, settings=settings, **asked)
    document = read_json(Run(tmp_path / "run").ways)
    assert [one["way"] for one in document["ways"]] == ["fits", "searched"]
    kept = max(document["ways"], key=lambda one: one["metric"]["value"])["way"]
    assert document["kept"] == kept
    assert Run(tmp_path / "run").search.exists() == (kept == "searched")
    assert result["budget_ms"] == 1.0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "the best of a search" in page


@pytest.mark.slow
def test_both_ways_are_gone_and_the_better_is_kept(shapes, tmp_path):
    found = read_data(shapes, None, 0)
    run = open_run(tmp_path / "run", {"verb": "fit", "data": str(shapes), "task": "classify"})
    found.write(run)

    def planned(width):
        return as_it_is(edit.classes(find("mobilenet_v3_small", width, 32), 2))

    def train(place, plan):
        settings = {"epochs": 3, "batch_size": 8, "lr": 0.005, "ema_decay": 0.9}
        train_in(place, found.dataset, plan, "none", 0, settings, may_lack=False)

    train(run, planned(0.35))
    from mobilenets.jobs.measured import measured

    took = measured([planned(0.75).arch], "litert:cpu:1")[0]["median_ms"]
    budget = Budget(0.8 * took, parse_target("litert:cpu:1"), margin=0.0)
    larger = ways.Larger(planned(0.75), "mobilenet_v3_small 0.75", took)
    ways.settle(run, [ways.adapted(run, larger, budget, Material(str(shapes), "classify"), train, 0)])
    ways.keep(run)
    document = read_json(run.ways)
    assert [one["way"] for one in document["ways"]] == ["fits", "adapted"]
    best = max(document["ways"], key=lambda one: one["metric"]["value"])["way"]
    assert document["kept"] == best
    kept = run if best == "fits" else Run(run.folder / "adapted")
    assert load_model(run.weights)[0].arch == load_model(kept.weights)[0].arch
    assert read_json(Run(run.folder / "adapted").adaptation)["met"]


def test_a_search_besides_is_asked_for_the_same_head_and_teacher(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(ways, "search", lambda data, **more: asked.update(more))
    run, budget = Run(tmp_path), Budget(5.0, parse_target("litert:cpu:1"))
    ways.searched(run, budget, Material("photos", "embed"), 1.0, 96, 0, teacher="runs/t", size=64)
    assert (asked["teacher"], asked["size"], asked["hours"], asked["resolution"]) == ("runs/t", 64, 1.0, 96)
