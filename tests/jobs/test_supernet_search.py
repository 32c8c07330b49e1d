"""Searching by shared weights, on a few drawn shapes."""

import pickle
from dataclasses import replace

import pytest

from mobilenets.arch import codec, cost
from mobilenets.arch.zoo import find
from mobilenets.base.errors import DeviceError, UnknownName, UsageError
from mobilenets.base.files import read_json
from mobilenets.base.run import Run
from mobilenets.cli.main import main
from mobilenets.jobs.material import Material
from mobilenets.jobs.resource import Price
from mobilenets.jobs.search import search
from mobilenets.jobs.searched_space import with_heads
from mobilenets.jobs.short_training import ShortTraining
from mobilenets.jobs.supernet import SharedWeights, shared_weights
from mobilenets.nas import spaces
from mobilenets.nas.record import read_record
from mobilenets.nn import load_model
from mobilenets.nn.shared import Candidate
from mobilenets.training.supernet import load_shared


def test_norms_are_made_right_on_images_of_all_classes(shapes, tmp_path, monkeypatch):
    """Images come sorted by class, and a batch of one class would tell nothing of the others."""
    seen = []
    monkeypatch.setattr(SharedWeights, "opened", lambda *_: (None, None))
    monkeypatch.setattr("mobilenets.jobs.supernet.judged", lambda *_: (0.5, 1.0))
    monkeypatch.setattr("mobilenets.training.supernet.recalibrate", lambda _, some, __: seen.append(some))
    tries = SharedWeights(Material(str(shapes), "classify"), Price("macs"), tmp_path, epochs=0)
    for number in range(2):
        tries(number, (), codec.dumps(find("mobilenet_v2", 0.35, 32)), number)
    assert seen[0] == seen[1], "it repeats"
    assert {one.label for one in seen[0][:12]} == {one.label for one in seen[0][-12:]} == {0, 1}


def test_a_device_that_cannot_be_reached_costs_no_training(shapes, tmp_path, monkeypatch):
    def gone(_):
        raise DeviceError("the phone is gone")

    monkeypatch.setattr("mobilenets.training.train", None)  # which would fail otherwise
    short = ShortTraining(Material(str(shapes), "classify"), gone, tmp_path / "trials")
    with pytest.raises(DeviceError, match="the phone is gone"):
        short(0, (), codec.dumps(find("mobilenet_v2", 0.35, 32)), 0)
    assert not (tmp_path / "trials").exists()


@pytest.mark.slow
def test_any_process_judges_a_network_by_its_part_and_always_alike(shapes, tmp_path, capsys):
    short = ShortTraining(Material(str(shapes), "classify"), Price("macs"), tmp_path / "trials")
    seed = find("mobilenet_v2", 0.35, 32)
    space = spaces.space_around("mnasnet", replace(seed, blocks=seed.blocks[:5]))
    space = with_heads(space, "classify", short.dataset())
    short = replace(short, epochs=0)
    tries = shared_weights(Run(tmp_path), short, space, 1)
    assert "weights for the whole space are trained first: 1 epochs of 4 networks" in capsys.readouterr().err
    genotype = tuple(0 for _ in space.decisions)
    arch = space.arch(genotype)
    found = tries(0, genotype, codec.dumps(arch), 0)
    assert found == pickle.loads(pickle.dumps(tries))(7, genotype, codec.dumps(arch), 9)
    assert found.outcome.costs == (cost(arch).macs,)
    assert 0 <= found.outcome.quality <= 1
    before = tries.weights.stat().st_mtime_ns
    assert shared_weights(Run(tmp_path), short, space, 1) == tries
    assert tries.weights.stat().st_mtime_ns == before
    assert capsys.readouterr().err == ""

    tuned = replace(tries, epochs=1, settings={"batch_size": 8})
    network, _ = tuned.opened(genotype, arch, Run(tmp_path / "one"), 0)
    part = load_shared(tries.weights).weights(Candidate(arch, space.places(space.values(genotype))))
    assert part
    assert all(network.get_parameter(name).equal(one) for name, one in part.items())
    trial = tuned(0, genotype, codec.dumps(arch), 0)
    assert trial.metrics["epoch1"] == trial.outcome.quality
    assert not (tuned.folder / "00000").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "told"), [(None, "epoch1"), (0, "loss")])
def test_a_search_with_shared_weights_ends_as_any_other(epochs, told, shapes, tmp_path):
    out = tmp_path / "run"
    result = search(
        shapes, out=out, space="v3", model="mobilenet_v3_small", width=0.35, resolution=32, trials=3,
        budget="1Mmacs", evaluator="supernet", supernet_epochs=1, proxy_epochs=epochs, strategy="random",
        settings={"epochs": 1, "batch_size": 8},
    )  # fmt: skip
    trials = read_record(out / "search.db")[1]
    assert [one.state for one in trials] == ["complete"] * 3
    assert all(told in one.metrics and one.outcome.costs[0] <= 1e6 for one in trials)
    assert read_json(Run(out).search)["beside"] == []
    assert cost(load_model(Run(out).weights)[0].arch).macs <= 1e6 == result["budget"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"evaluator": "hyper"}, UnknownName, "hyper"),
        ({"evaluator": "supernet", "task": "detect"}, UsageError, "use --evaluator short"),
        ({"proxy_epochs": 0}, UsageError, "a short training needs at least one epoch, got 0"),
        ({"evaluator": "supernet", "proxy_epochs": -1}, UsageError, "must be at least 0, got -1"),
        ({"supernet_epochs": 0}, UsageError, "the supernet needs at least one epoch, got 0"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(given, error, message, tmp_path):
    with pytest.raises(error, match=message):
        search(tmp_path / "nowhere", out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_a_space_without_places_is_refused(shapes, tmp_path, capsys):
    words = f"search {shapes} --space width --resolution 32 --budget 50Mmacs --evaluator supernet"
    assert main([*words.split(), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the space 'width' does not say which blocks of its networks are the same" in error
