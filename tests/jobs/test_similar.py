"""embed, index and similar: from a folder of images to what looks like one of them."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import DataError, UsageError
from mobilenets.cli.main import main
from mobilenets.data.preprocess import read_pixels
from mobilenets.jobs.embed import embed
from mobilenets.jobs.embedder import Embedder
from mobilenets.jobs.index import index
from mobilenets.jobs.similar import similar
from mobilenets.nn import build, normalise, save_model

NET = {"model": "mobilenet_v3_small", "weights": "none", "width": 0.35, "resolution": 32}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Thirty plain pictures in as many shades; two of them are nearly the same."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for i in range(30):
        place = folder / f"shelf {i % 3}" / f"{i:02}.png"
        place.parent.mkdir(exist_ok=True)
        cells = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((40, 40), Image.Resampling.BILINEAR).save(place)
    twin = np.asarray(Image.open(folder / "shelf 0" / "00.png")).astype(int)
    Image.fromarray((twin + 2).clip(0, 255).astype(np.uint8)).save(folder / "shelf 1" / "twin.png")
    return folder


def network(seed=0, task="embed"):
    torch.manual_seed(seed)
    arch = with_head(find("mobilenet_v3_small", 0.35, 32), task, 3)
    labels = tuple("abc") if arch.head.classes else ()
    return build(arch).eval(), Card(task, arch, labels, Preprocess(32, 34))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file of a network with an embedding head."""
    path = tmp_path_factory.mktemp("models") / "embedder.safetensors"
    save_model(path, *network())
    return path


@pytest.fixture(scope="module")
def indexed(photos, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("indices") / "p.usearch"
    return out, index(photos, model=model, out=out)


def test_vectors_are_the_networks_own(photos, model, tmp_path):
    document = embed(photos, model=model, out=tmp_path / "v.npz")
    assert (document["n"], document["size"], document["skipped"], document["resumed"]) == (31, 128, [], 0)
    with np.load(tmp_path / "v.npz") as held:
        names, vectors, facts = held["files"], held["vectors"], json.loads(str(held["facts"]))
    assert list(names) == sorted(names)
    assert facts["model"]["card"]["task"] == "embed"
    net, card = network()
    pixels = torch.stack([read_pixels(card.preprocess, photos / name) for name in names])
    with torch.inference_mode():
        wanted = net(normalise(card.preprocess, pixels)).numpy()
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_classifier_gives_what_its_head_is_shown(photos, tmp_path):
    document = embed(photos, out=tmp_path / "v.npz", **NET)
    torch.manual_seed(0)
    net, seen = build(find("mobilenet_v3_small", 0.35, 32)).eval(), []
    net.head.pool.register_forward_hook(lambda *given: seen.append(given[2]))
    record = Preprocess(32, round(32 * 256 / 224))
    names = np.load(tmp_path / "v.npz")["files"]
    with torch.inference_mode():
        net(normalise(record, torch.stack([read_pixels(record, photos / name) for name in names])))
    wanted = torch.nn.functional.normalize(seen[0]).numpy()
    assert document["size"] == wanted.shape[1] > 3
    np.testing.assert_allclose(np.load(tmp_path / "v.npz")["vectors"], wanted, atol=1e-5)


def test_an_embedding_goes_on_where_it_was_killed(photos, model, tmp_path, monkeypatch):
    embed(photos, model=model, out=tmp_path / "whole.npz")
    monkeypatch.setattr("mobilenets.jobs.embedder.BATCH", 8)
    real, calls = Embedder._embedded, []

    def stumbling(self, images):
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, images)

    monkeypatch.setattr(Embedder, "_embedded", stumbling)
    with pytest.raises(KeyboardInterrupt):
        embed(photos, model=model, out=tmp_path / "v.npz")
    assert not (tmp_path / "v.npz").exists()
    document = embed(photos, model=model, out=tmp_path / "v.npz")
    assert document["resumed"] == 16
    assert sum(calls) == 24 + 15
    whole, again = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "v.npz")
    assert list(whole["files"]) == list(again["files"])
    np.testing.assert_allclose(again["vectors"], whole["vectors"], atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.npz", "whole.npz"]


def test_what_cannot_be_read_is_left_out_and_said(photos, model, tmp_path, capsys):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "shelf 0" / "05.png").write_bytes(b"no image")
    document = embed(folder, model=model, out=tmp_path / "v.npz")
    assert (document["n"], len(document["skipped"])) == (31, 1)
    assert "left out" in capsys.readouterr().err
    for i in range(5):
        (folder / f"{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"6 of 37 images cannot be read: first: .*0\.png, the file is empty"):
        embed(folder, model=model, out=tmp_path / "v.npz")


def test_the_nearest_is_the_twin_and_the_image_itself_does_not_count(photos, indexed, tmp_path):
    out, document = indexed
    assert (document["n"], document["expansion"], document["recall"]) == (31, 0, 1.0)
    found = similar(photos / "shelf 0" / "00.png", index=out, k=5, out=tmp_path / "strip.jpg")
    assert found["neighbours"][0]["file"] == str(photos / "shelf 1" / "twin.png")
    assert len(found["neighbours"]) == 5
    similarities = [one["similarity"] for one in found["neighbours"]]
    assert similarities == sorted(similarities, reverse=True)
    picture = Image.open(tmp_path / "strip.jpg")
    assert picture.width > 6 * 160
    copy = tmp_path / "copy.png"
    shutil.copy(photos / "shelf 0" / "00.png", copy)
    found = similar(copy, index=out, k=99)
    assert found["neighbours"][0] == {"file": str(photos / "shelf 0" / "00.png"), "similarity": 1.0}
    assert len(found["neighbours"]) == 31


def test_a_model_is_known_by_its_weights_wherever_it_lies(photos, indexed, model, tmp_path):
    moved = tmp_path / "moved.safetensors"
    shutil.copy(model, moved)
    assert similar(photos / "shelf 0" / "00.png", index=indexed[0], model=moved)["n"] == 31


def test_another_model_is_refused_in_one_line(photos, indexed, tmp_path):
    other = tmp_path / "other.safetensors"
    save_model(other, *network(seed=1))
    with pytest.raises(DataError, match="was made with another model than") as caught:
        similar(photos / "shelf 0" / "00.png", index=indexed[0], model=other)
    assert "\n" not in str(caught.value)
    net, card = network()
    save_model(other, net, replace(card, preprocess=Preprocess(32, 40)))
    with pytest.raises(DataError, match="was made with another model than"):
        similar(photos / "shelf 0" / "00.png", index=indexed[0], model=other)


def test_an_index_replaces_nothing_else(photos, model, tmp_path):
    embed(photos, out=tmp_path / "p.npz", **NET)
    (tmp_path / "shop.json").write_text('{"shelves": 3}')
    before = (tmp_path / "p.npz").read_bytes()
    document = index(photos, model=model, out=tmp_path / "p.usearch")
    assert document["vectors"] == str(tmp_path / "p.usearch.npz")
    assert (tmp_path / "p.npz").read_bytes() == before
    index(photos, model=model, out=tmp_path / "p.usearch")  # its own facts it replaces
    with pytest.raises(UsageError, match=r"shop\.json would be replaced, but tells of no index"):
        index(photos, model=model, out=tmp_path / "shop")
    assert (tmp_path / "shop.json").read_text() == '{"shelves": 3}'


def test_a_model_that_is_gone_is_asked_for(photos, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, *network())
    index(photos, model=path, out=tmp_path / "p.usearch")
    path.unlink()
    with pytest.raises(DataError, match="which is gone; say with --model where it is now"):
        similar(photos / "shelf 0" / "00.png", index=tmp_path / "p.usearch")


def test_names_of_networks_come_back_with_their_width(photos, tmp_path):
    embed(photos, out=tmp_path / "v.npz", **NET)
    index(tmp_path / "v.npz", out=tmp_path / "p.usearch")
    photo = photos / "shelf 0" / "00.png"
    found = similar(photo, index=tmp_path / "p.usearch", k=1)
    assert found["neighbours"][0]["file"].endswith("twin.png")
    again = similar(photo, index=tmp_path / "p.usearch", k=1, model=NET["model"], weights="none")
    assert again["neighbours"] == found["neighbours"]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda p, o: embed(p / "nothing", out=o / "v.npz", **NET), DataError, "is no folder"),
        (lambda p, o: embed(o, out=o / "v.npz", **NET), DataError, "holds no image"),
        (lambda p, o: embed(p, out=o / "v.txt", **NET), UsageError, r"a \.npz or \.parquet file"),
        (lambda p, o: index(p, out=o / "p.usearch"), UsageError, "give --model"),
        (lambda p, o: index(p, out=o / "p.npz", **NET), UsageError, "a file of its own"),
        (lambda p, o: index(o / "v.npz", out=o / "p.usearch", **NET), UsageError, "already says its model"),
        (lambda p, o: index(o / "v.npz", out=o / "p.usearch"), DataError, "does not exist"),
        (lambda p, o: similar(p / "x.png", index=o / "p.usearch"), DataError, "x.png does not exist"),
        (
            lambda p, o: similar(p / "shelf 1" / "twin.png", index=o / "p.usearch"),
            DataError,
            "mobilenets index",
        ),
        (lambda p, o: similar(p, index=o / "p.usearch", k=0), UsageError, "k must be at least 1"),
        (lambda p, o: similar(p, index=o / "p.usearch", out=o / "a.gif"), UsageError, "the strip is a"),
        (
            lambda p, o: similar(p / "shelf 1" / "twin.png", out=p / "shelf 1" / "twin.png"),
            UsageError,
            "is the image itself",
        ),
    ],
)
def test_mistakes_are_one_line(photos, tmp_path, act, error, message):
    with pytest.raises(error, match=message) as caught:
        act(photos, tmp_path)
    assert "\n" not in str(caught.value)


def test_an_image_to_look_for_that_is_none_is_named(indexed, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read as an image"):
        similar(tmp_path / "a.jpg", index=indexed[0])


def test_the_commands_print_and_emit(photos, model, tmp_path, capsys):
    vectors, place = str(tmp_path / "v.npz"), str(tmp_path / "p.usearch")
    assert main(["embed", str(photos), "--model", str(model), "--out", vectors]) == 0
    assert capsys.readouterr().out == f"{vectors}: 31 vectors of 128 numbers\n"
    assert main(["index", vectors, "--out", place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 31
    photo = str(photos / "shelf 0" / "00.png")
    assert main(["similar", photo, "--index", place, "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "twin.png" in lines[2]
    assert main(["similar", photo, "--index", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_is_no_embedder_shows_no_vectors(photos, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"opened by a stand-in")
    session = SimpleNamespace(card=network(task="classify")[1])
    monkeypatch.setattr("mobilenets.jobs.embedder.open_subject", lambda _: session)
    with pytest.raises(UsageError, match="is made to classify and does not show what it saw"):
        embed(photos, model=path, out=tmp_path / "v.npz")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_an_exported_embedder_gives_the_same_vectors(photos, model, tmp_path, runtime):
    from mobilenets.exporters import export
    from mobilenets.jobs.subject import SUFFIX, sample_pixels

    net, card = network()
    path = tmp_path / f"model{SUFFIX[runtime]}"
    export(net, card, path, runtime, sample_pixels(card.preprocess, sorted(photos.rglob("*.png"))))
    embed(photos, model=path, out=tmp_path / "theirs.npz")
    embed(photos, model=model, out=tmp_path / "ours.npz")
    ours, theirs = np.load(tmp_path / "ours.npz"), np.load(tmp_path / "theirs.npz")
    assert list(ours["files"]) == list(theirs["files"])
    np.testing.assert_allclose(theirs["vectors"], ours["vectors"], atol=1e-4)
