"""`search` on a few drawn shapes, by MACs; by a measured table, in workers and killed where marked slow."""

import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from math import inf
from types import SimpleNamespace

import numpy as np
import pytest

from mobilenets.arch import codec, cost
from mobilenets.arch.zoo import find
from mobilenets.base.errors import BudgetError, ConfigMismatch, MobilenetsError, SearchError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run
from mobilenets.cli.main import main
from mobilenets.data.load import load_dataset
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.material import Material
from mobilenets.jobs.measured import measured
from mobilenets.jobs.resource import Price
from mobilenets.jobs.search import search
from mobilenets.jobs.searched_space import priced, samples, with_heads
from mobilenets.jobs.short_training import ShortTraining
from mobilenets.nas import spaces
from mobilenets.nas.record import read_record
from mobilenets.nn import load_model

ASKED = {
    "space": "v3", "resolution": 32, "budget": "1.2Mmacs", "trials": 4, "proxy_epochs": 1,
    "strategy": "random", "confirm": False, "beside": "mobilenet_v3_small:0.5", "finalists": 2,
    "settings": {"epochs": 2, "batch_size": 8},
}  # fmt: skip
WORDS = (  # the same as a command
    "search {data} --space v3 --resolution 32 --budget 1.2Mmacs --trials 4 --proxy-epochs 1 --no-confirm "
    "--strategy random --beside mobilenet_v3_small:0.5 --finalists 2 --epochs 2 --batch-size 8 --out {out}"
)


@pytest.fixture(scope="module")
def searched(shapes, tmp_path_factory):
    """A finished search, and what it returned."""
    out = tmp_path_factory.mktemp("searched") / "run"
    return out, search(shapes, out=out, **ASKED)


def test_the_best_that_fits_is_trained_exported_and_verified(searched, shapes):
    out, result = searched
    document = read_json(Run(out).search)
    network, card = load_model(Run(out).weights)
    assert cost(network.arch).macs <= 1.2e6 == result["budget"]
    assert (result["unit"], result["trials"], result["failed"]) == ("MACs", 4, 0)
    assert (card.weights, card.labels) == ("none", ("disc", "square"))
    assert evaluate(result["artifact"], shapes)["top1"] == result["value"]
    trained = read_json(Run(out).finalists)["trained"]
    assert 1 <= len(trained) <= 2
    assert network.arch.name == max(trained, key=lambda one: one["value"])["name"]
    fitting = [one for one in document["trials"] if one["cost"] <= 1.2e6]
    assert document["best_that_fits"]["trials"][0] in {one["number"] for one in fitting}
    assert all(one["fits"] == (one["cost"] <= 1.2e6) for one in document["trials"])
    assert fitting == document["trials"]  # what is known not to fit is not tried
    one = max(document["front"], key=lambda each: each["quality"] * (1.2e6 - each["cost"]))
    assert one["quality"] * (1.2e6 - one["cost"]) / 1.2e6 <= document["hypervolume"] + 1e-9
    assert document["hypervolume"] <= document["front"][-1]["quality"] * (
        1 - document["front"][0]["cost"] / 1.2e6
    )


def test_every_trial_is_written_down_as_the_network_it_was(searched):
    out, _ = searched
    known, trials = read_record(out / "search.db")
    document = read_json(Run(out).search)
    assert known["strategy"] == document["strategy"] == "random"
    assert [one["number"] for one in document["trials"]] == [one.number for one in trials] == [0, 1, 2, 3]
    space = spaces.space_around("v3", find("mobilenet_v3_small", resolution=32, classes=2))
    for trial in trials:
        arch = codec.loads(trial.arch)
        assert arch.blocks == space.arch(trial.genotype).blocks
        assert cost(arch).macs == trial.outcome.costs[0] == trial.metrics["macs"]
        assert 0 <= trial.outcome.quality == max(trial.metrics[f"epoch{k}"] for k in (1,)) <= 1
    assert len({trial.seed for trial in trials}) == 4
    beside = {one["name"]: one for one in document["beside"]}
    wanted = cost(find("mobilenet_v3_small", 0.5, 32, 2)).macs
    assert beside["mobilenet_v3_small:0.5"]["cost"] == wanted
    assert [path.name for path in (out / "trials").glob("*")] == ["curves"]  # the weights are of no use


@pytest.mark.slow
def test_it_begins_at_the_network_that_the_space_is_laid_around(shapes, tmp_path):
    """V2's own design is in the space of V2; where it does not fit, it is not tried."""
    asked = ASKED | {"space": "mnasnet", "model": "mobilenet_v2", "width": 0.35, "trials": 1, "beside": "",
                     "finalists": 1}  # fmt: skip
    seed = find("mobilenet_v2", 0.35, 32, 2)
    budget = cost(seed).macs / 1e6
    search(shapes, out=tmp_path / "run", **asked | {"budget": f"{budget + 0.001:.3f}Mmacs"})
    (trial,) = read_json(Run(tmp_path / "run").search)["trials"]
    assert trial["cost"] == cost(seed).macs
    search(shapes, out=tmp_path / "less", **asked | {"budget": f"{budget - 0.001:.3f}Mmacs"})
    (trial,) = read_json(Run(tmp_path / "less").search)["trials"]
    assert trial["cost"] < cost(seed).macs


def test_the_report_shows_it(searched):
    out, result = searched
    page = (out / "report.html").read_text(encoding="utf-8")
    assert result["report"] == str(out / "report.html")
    for text in ("How it was found", "Trained in full", "What they look like", "Reward over the trials"):
        assert text in page
    assert page.count("<svg") >= 5
    names = {path.stem for path in Run(out).plots.glob("search-*.svg")}
    assert names == {"search-front", "search-rewards", "search-blocks", "search-marginals"}


def test_a_second_call_repeats_nothing_and_other_terms_are_refused(searched, shapes):
    out, result = searched
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert search(shapes, out=out, **ASKED) == result
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(ConfigMismatch, match="strategy: 'random' there, 'local' now"):
        search(shapes, out=out, **ASKED | {"strategy": "local"})


def test_its_config_makes_it_again(searched, capsys):
    out, result = searched
    words = ["search", "--config", str(out / "config.yaml"), "--trials", "4", "--out", str(out), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == result


def test_other_images_are_refused(searched, shapes, tmp_path):
    """What was tried was tried on those that were there."""
    out, data = tmp_path / "run", tmp_path / "shapes"
    shutil.copytree(searched[0], out)
    shutil.copytree(shapes, data)
    text = (out / "config.yaml").read_text().replace(str(shapes), str(data))
    (out / "config.yaml").write_text(text)
    next((data / "train").rglob("*.png")).unlink()
    with pytest.raises(ConfigMismatch, match=r"are not those that .* began with; use another --out"):
        search(data, out=out, **ASKED)
    assert read_json(Run(out).dataset) == read_json(Run(searched[0]).dataset)


def test_what_the_result_is_judged_by_chose_no_network(shapes, tmp_path):
    whole = shapes / "train"  # without a test split: val has the last word
    last = load_dataset(whole, 0.25, 3)[0]
    tried = Material(str(whole), "classify", 0.2, 3, apart=0.25).dataset()
    assert set(tried.train) | set(tried.val) == set(last.train)
    assert len(tried.val) == 2 * round(0.2 * len(last.train) / 2)  # of two classes
    apart = importlib.import_module("mobilenets.jobs.search")._apart
    assert (apart(last, 0.25), apart(last, None), apart(load_dataset(shapes)[0], None)) == (0.25, 0.1, 0.0)


def test_the_budget_is_settled_once(shapes, tmp_path, monkeypatch):
    """A share is of what was measured at the beginning, whatever a later measurement says."""
    asked = ASKED | {"budget": "60%macs", "beside": "", "finalists": 1, "trials": 1}
    first = search(shapes, out=tmp_path / "run", **asked)
    monkeypatch.setattr("mobilenets.jobs.hunt.Goal.of", lambda *_: 1.0)
    second = search(shapes, out=tmp_path / "run", **asked | {"trials": 2})
    assert first["budget"] == second["budget"] == read_json(tmp_path / "run" / "start.json")["budget"]


@pytest.mark.parametrize(
    ("name", "task"), [("mnasnet", "segment"), ("v3_strides", "segment"), ("v3_strides", "detect")]
)
def test_networks_that_cannot_carry_a_head_are_passed_over(name, task):
    labels = SimpleNamespace(labels=("background", "cell"), train=())
    space = with_heads(spaces.space_around(name, find(spaces.HOMES[name][0], resolution=64)), task, labels)
    found = samples(space, 0, 5)
    assert [one.head.task for one in found] == [task] * 5
    price = priced(space, Price("macs"))
    chance = np.random.default_rng(0)
    drawn = [price(space.canonical(space.sample(chance))) for _ in range(50)]
    assert inf in drawn
    assert any(one < inf for one in drawn)


@pytest.mark.slow
def test_more_trials_go_on_where_the_search_was(searched, shapes, tmp_path, capsys):
    """The first trials of a longer search are those of a shorter one; only the rest is tried."""
    out = tmp_path / "run"
    short = ASKED | {"finalists": 1, "beside": ""}
    search(shapes, out=out, **short | {"trials": 2})
    first, *rest = capsys.readouterr().err.splitlines()
    assert "networks in the space v3, budget 1.2e+06 MACs; a trial of 1 epochs takes about" in first
    assert "best that fits" in rest[0]
    result = search(shapes, out=out, **short | {"trials": 3})
    said = capsys.readouterr().err
    assert "2 trials are there already" in said
    assert "3/3" in said
    assert "2/3" not in said
    genotypes = [trial.genotype for trial in read_record(out / "search.db")[1]]
    assert genotypes == [trial.genotype for trial in read_record(searched[0] / "search.db")[1]][:3]
    document = read_json(Run(out).search)
    assert len(document["trials"]) == result["trials"] == read_json(Run(out).finalists)["trials"] == 3
    best = codec.decode(document["best_that_fits"]["arch"])
    assert load_model(Run(out).weights)[0].arch == best


@pytest.mark.slow
def test_leaders_are_tried_again_and_count_by_all_their_trials(shapes, tmp_path):
    out = tmp_path / "run"
    asked = ASKED | {"trials": 6, "confirm": True, "beside": "", "finalists": 1, "strategy": "bayes"}
    search(shapes, out=out, **asked)
    trials = read_record(out / "search.db")[1]
    again = [one.genotype for one in trials[4:]]
    assert set(again) <= {one.genotype for one in trials[:4]}
    document = read_json(Run(out).search)
    several = [one for one in document["networks"] if len(one["trials"]) > 1]
    assert several
    for one in several:
        own = [document["trials"][number]["quality"] for number in one["trials"]]
        assert one["quality"] == pytest.approx(sum(own) / len(own))


@pytest.mark.slow
def test_a_space_of_ones_own_comes_from_a_file(shapes, tmp_path):
    code = tmp_path / "mine.py"
    code.write_text(
        "from mobilenets.arch.edit import at\n"
        "from mobilenets.nas import Decision, Space\n"
        "def space(seed):\n"
        "    return Space('mine', (Decision('side', (32, 64)),), lambda values: at(seed, values['side']))\n"
    )
    asked = ASKED | {"space": code, "beside": "", "trials": 2, "budget": "100Mmacs", "finalists": 1}
    result = search(shapes, out=tmp_path / "run", model="mobilenet_v3_small", width=0.35, **asked)
    assert result["trials"] == 2
    assert load_model(Run(tmp_path / "run").weights)[0].arch.resolution in (32, 64)


REFUSED = [
    ({"space": "v5"}, "v5"),
    ({"space": "mnasnet", "model": "mobilenet_v1"}, "has no stage that the space 'mnasnet' knows"),
    ({"space": "none.py"}, "there is no file none.py"),
    ({"strategy": "luck"}, "luck"),
    ({"reward": "gold"}, "gold"),
    ({"weight": 2.0}, "weight"),
    ({"budget": "4"}, "unit"),
    ({"task": "sing"}, "sing"),
    ({"trials": 0}, "at least 1"),
    ({"hours": 0}, "hours above 0"),
    ({"proxy_epochs": 0}, "at least one epoch"),
    ({"beside": "mobilenet_v2:wide"}, "mobilenet_v2:0.5"),
    ({"settings": {"epoch": 3}}, "epoch"),
    ({"target": "toaster:cpu:1"}, "toaster"),
    ({"storage": "mysql://somewhere"}, "mysql"),
    ({"storage": "/nowhere/there/rec.db"}, "lies in no folder that is there"),
    ({"hours": float("nan")}, "hours above 0"),
    ({"proxy_val": 1.5}, "proxy_val must be between 0 and 1, got 1.5"),
    ({"direct": True}, "a budget in macs is given"),
    ({"direct": True, "budget": "3ms", "table": "times.json"}, "the table times.json is given"),
    ({"direct": True, "budget": "3ms", "workers": 2}, "--workers 2"),
    ({"direct": True, "budget": "3ms", "ray": "auto"}, "--ray"),
    ({"table": "times.json"}, "the budget is one of macs"),
    ({"ray": "auto", "workers": 2}, "--ray has as many as the cluster"),
    ({"supernet_epochs": 3}, "belong to --evaluator supernet"),
    ({"settings": {"class_weights": "balanced"}, "task": "embed"}, "class_weights are for"),
    ({"storage": "postgresql://me:geheim@127.0.0.1:1/none"}, r"me:\*\*\*@127.0.0.1:1/none cannot be used"),
    ({"direct": True, "budget": "0.0001ms"}, "nothing in the space v3 meets 0.0001 ms"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_bad_input_is_one_clear_line(shapes, tmp_path, change, message):
    with pytest.raises(MobilenetsError, match=message) as caught:
        search(shapes, out=tmp_path / "run", **ASKED | {"beside": ""} | change)
    assert "\n" not in str(caught.value)


UNBUILT = """
from mobilenets.nas import Decision, Space
space = Space("mine", (Decision("a", (1, 2)),), lambda values: values["b"])
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("space = 3", "must have a Space"),
        ("1 / 0", "ZeroDivisionError"),
        ("def space(seed): return seed", "must return a Space, got Arch"),
        ("def space(seed): return 1 / 0", "the function space of .* fails: ZeroDivisionError"),
        (UNBUILT, "the space mine cannot build a network: KeyError"),
    ],
)
def test_a_bad_file_of_a_space_is_one_clear_line(shapes, tmp_path, code, message):
    (tmp_path / "mine.py").write_text(code)
    side = None if code == UNBUILT else 32  # which says it itself
    with pytest.raises(MobilenetsError, match=message):
        search(shapes, out=tmp_path / "run", **ASKED | {"space": tmp_path / "mine.py", "resolution": side})


def test_a_space_that_says_its_network_takes_no_other(shapes, tmp_path):
    path = tmp_path / "space.json"
    path.write_text(spaces.dumps(spaces.space_around("v3", find("mobilenet_v3_small", resolution=32))))
    with pytest.raises(MobilenetsError, match="says itself what its networks are; leave --resolution out"):
        search(shapes, out=tmp_path / "run", **ASKED | {"space": path})


def test_a_space_of_sides_that_are_no_numbers(shapes, tmp_path):
    text = spaces.dumps(spaces.space_around("v3", find("mobilenet_v3_small", resolution=32)))
    path = tmp_path / "space.json"
    path.write_text(json.dumps({**json.loads(text), "options": {"resolution": ["32"]}}))
    with pytest.raises(MobilenetsError, match=r"options.resolution\[0\]"):
        search(shapes, out=tmp_path / "run", **ASKED | {"space": path, "resolution": None})


def test_another_place_for_the_record_is_refused(searched, shapes, tmp_path):
    out, _ = searched
    with pytest.raises(ConfigMismatch, match=r"in the folder itself, not in .*other.db; give the --storage"):
        search(shapes, out=out, **ASKED | {"storage": str(tmp_path / "other.db")})
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("change", [{"dialect": "tensorflow"}, {"budget": "1.2Mparams"}])
def test_a_record_belongs_to_its_network_and_images(change, shapes, tmp_path):
    asked = ASKED | {"beside": "", "trials": 1, "storage": str(tmp_path / "both.db")}
    search(shapes, out=tmp_path / "one", **asked)
    with pytest.raises(ConfigMismatch):
        search(shapes, out=tmp_path / "other", **asked | change)


def test_a_budget_that_nothing_can_meet_is_said_before_anything_is_trained(shapes, tmp_path):
    with pytest.raises(BudgetError, match="nothing in the space v3 meets 1e\\+04 MACs; the closest is v3_"):
        search(shapes, out=tmp_path / "run", **ASKED | {"budget": "10kmacs"})
    assert not (tmp_path / "run" / "search.db").exists()


def test_trials_that_all_fail_end_it_with_the_reason(shapes, tmp_path, monkeypatch):
    from mobilenets.jobs import short_training

    def broken(*_, **__):
        raise SearchError("the disk is gone")

    monkeypatch.setattr(short_training, "open_network", broken)
    with pytest.raises(SearchError, match="trials failed, the last one: the disk is gone"):
        search(shapes, out=tmp_path / "run", **ASKED | {"beside": "", "trials": 9})
    assert len(read_record(tmp_path / "run" / "search.db")[1]) == 5


def test_the_command_prints_what_the_function_returns(searched, shapes, capsys):
    out, result = searched
    words = [*WORDS.format(data=shapes, out=out).split(), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == result


@pytest.mark.slow
def test_killed_at_any_instant_it_proposes_the_same(searched, shapes, tmp_path):
    """Killed again and again without warning, then let run: the same trials with the same results."""
    out = tmp_path / "run"
    words = WORDS.format(data=shapes, out=out).split()
    for begun in (1, 2, 4):
        process = subprocess.Popen([sys.executable, "-m", "mobilenets", *words])
        while len(_numbers(out)) < begun:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([sys.executable, "-m", "mobilenets", *words], check=True)
    mine, theirs = (read_record(one / "search.db")[1] for one in (out, searched[0]))
    assert [(one.genotype, one.seed) for one in mine] == [(one.genotype, one.seed) for one in theirs]
    assert [one.outcome for one in mine] == [one.outcome for one in theirs]


def _numbers(out):
    """The trials that have begun."""
    with suppress(MobilenetsError):
        return [one.number for one in read_record(out / "search.db")[1]]
    return []


@pytest.mark.slow
def test_by_latency_in_two_workers(shapes, tmp_path):
    """On a measured table; what is chosen is measured itself."""
    asked = ASKED | {"budget": "90%", "workers": 2, "trials": 6, "strategy": "local"}
    result = search(shapes, out=tmp_path / "run", **asked)
    assert result["unit"] == "ms"
    assert (tmp_path / "run" / "table.json").exists()
    finalists = read_json(Run(tmp_path / "run").finalists)
    assert all(one["measured"] <= result["budget"] for one in finalists["chosen"])
    assert "Predicted and measured" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_trial_measured(shapes, tmp_path, monkeypatch):
    """Without a table, each trial costs what measuring its network gives."""
    monkeypatch.setattr("mobilenets.jobs.measured.SPREAD", inf)  # kept, however busy this machine is
    asked = ASKED | {"budget": "30ms", "trials": 3, "direct": True, "strategy": "bayes", "finalists": 1}
    result = search(shapes, out=tmp_path / "run", **asked)
    document = read_json(Run(tmp_path / "run").search)
    assert result["unit"] == document["unit"] == "ms"
    assert not (tmp_path / "run" / "table.json").exists()
    _, trials = read_record(tmp_path / "run" / "search.db")
    times = [measured([codec.loads(one.arch)], "litert:cpu:1")[0]["median_ms"] for one in trials]
    assert [one.outcome.costs for one in trials] == [(ms,) for ms in times]
    (chosen,) = read_json(Run(tmp_path / "run").finalists)["chosen"]
    assert chosen["predicted"] in times
    assert 0 < chosen["measured"] <= result["budget"]
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Predicted and measured" not in report


def test_what_is_far_behind_ends_early(shapes, tmp_path):
    """Ten others reached 0.9 after their second epoch; this one cannot, in three."""
    short = ShortTraining(
        Material(str(shapes), "classify"),
        Price("macs"),
        tmp_path,
        epochs=4,
        settings={"batch_size": 8},
        prune=True,
    )
    arch = codec.dumps(find("mobilenet_v3_small", 0.35, 32, 2))
    for number in range(10):
        write_json(short.curves / f"{number:05d}.json", [0.5, 0.9 if number > 3 else 1.0, 1.0, 1.0])
    assert short.bars(99) == [0.0, 0.9, 1.0, 0.0]
    assert short.bars(5) == [0.0] * 4  # its own curve is none of others: nine are too few
    evaluation = short(99, (), arch, 0)
    assert [name for name in evaluation.metrics if name.startswith("epoch")] == ["epoch1", "epoch2"]
    assert evaluation.outcome.quality < 0.9
    whole = replace(short, prune=False)(98, (), arch, 0)
    assert [name for name in whole.metrics if name.startswith("epoch")] == [f"epoch{k}" for k in range(1, 5)]
