"""Vectors on disk and the index over them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mobilenets.base.errors import DataError, UsageError
from mobilenets.data.neighbours import EXACT, FEW, build_index, facts_path, open_index
from mobilenets.data.vectors import Rows, Vectors, load_vectors, save_vectors

MODEL = {"id": "abc", "model": "net"}


def clustered(n, size=64, groups=40, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(groups, size))
    vectors = centres[draw.integers(0, groups, n)] + 0.5 * draw.normal(size=(n, size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"class {i % 7}/{i:05d} ü.jpg" for i in range(n))
    return Vectors(Path("/photos"), names, vectors.astype(np.float32), MODEL)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_vectors_come_back_as_they_went(tmp_path, suffix):
    found = clustered(50)
    save_vectors(tmp_path / f"v{suffix}", found)
    again = load_vectors(tmp_path / f"v{suffix}")
    assert (again.root, again.files, again.model) == (found.root, found.files, found.model)
    assert again.vectors.dtype == np.float32
    np.testing.assert_array_equal(again.vectors, found.vectors)
    assert [path.name for path in tmp_path.iterdir()] == [f"v{suffix}"]


def test_parquet_is_plain_to_others(tmp_path):
    from pyarrow import parquet

    found = clustered(10)
    save_vectors(tmp_path / "v.parquet", found)
    table = parquet.read_table(tmp_path / "v.parquet").to_pydict()
    assert table["file"] == list(found.files)
    np.testing.assert_array_equal(np.array(table["vector"], np.float32), found.vectors)


FACTS = np.array('{"root": "", "model": {"id": ""}}')
WHOLE = {"files": np.array(["a"]), "vectors": np.ones((1, 4), np.float32), "facts": FACTS}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: np.savez(path, vectors=WHOLE["vectors"]),
        lambda path: np.savez(path, **{**WHOLE, "vectors": np.ones((2, 4), np.float32)}),
        lambda path: np.savez(path, **{**WHOLE, "vectors": np.ones((1, 4))}),
        lambda path: np.savez(path, **{**WHOLE, "vectors": np.full((1, 4), np.nan, np.float32)}),
        lambda path: np.savez(path, **{**WHOLE, "files": np.array(["a"], object)}),
        lambda path: np.savez(path, **{**WHOLE, "facts": np.array("[]")}),
    ],
)
def test_a_broken_file_of_vectors_is_one_line(tmp_path, spoil):
    path = tmp_path / "v.npz"
    save_vectors(path, clustered(20))
    spoil(path)
    with pytest.raises(DataError, match="is not a whole file of vectors") as caught:
        load_vectors(path)
    assert "\n" not in str(caught.value)
    assert "mobilenets embed" in str(caught.value)


def test_the_whole_file_that_was_spoilt_above_is_read(tmp_path):
    np.savez(tmp_path / "v.npz", **WHOLE)
    assert load_vectors(tmp_path / "v.npz").files == ("a",)


def test_missing_and_misnamed_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist; make it with mobilenets embed"):
        load_vectors(tmp_path / "v.npz")
    with pytest.raises(UsageError, match=r"a \.npz or \.parquet file, got .*v\.csv"):
        save_vectors(tmp_path / "v.csv", clustered(3))


def photos(folder, n):
    paths = [folder / f"{i}.jpg" for i in range(n)]
    for path in paths:
        path.write_bytes(b"x")
    return paths


def test_rows_go_on_behind_those_that_are_whole(tmp_path):
    paths, wanted = photos(tmp_path, 10), np.arange(40, dtype=np.float32).reshape(10, 4)
    rows = Rows(tmp_path / "v.npz", 4, "m", paths)
    rows.write(iter([wanted[:3], wanted[3:6]]))
    with rows.place.open("ab") as file:
        file.write(b"torn row")
    again = Rows(tmp_path / "v.npz", 4, "m", paths)
    assert again.done == 6
    again.write(iter([wanted[6:]]))
    np.testing.assert_array_equal(again.read(), wanted)
    again.discard()
    assert not list(tmp_path.glob(".v*"))


@pytest.mark.parametrize("change", ["model", "size", "images"])
def test_rows_of_another_model_or_other_images_are_not_taken_up(tmp_path, change):
    paths = photos(tmp_path, 4)
    Rows(tmp_path / "v.npz", 4, "m", paths).write(iter([np.ones((2, 4), np.float32)]))
    if change == "images":
        paths[3].write_bytes(b"longer")
    again = Rows(tmp_path / "v.npz", 8 if change == "size" else 4, "n" if change == "model" else "m", paths)
    assert again.done == 0


@pytest.fixture
def one_thread(monkeypatch):
    """Vectors put in one after another: on several threads no two indices are alike."""
    monkeypatch.setattr(
        "mobilenets.data.neighbours._add",
        lambda index, rows, vectors: index.add(rows, np.asarray(vectors[rows]), threads=1),
    )


def test_an_index_finds_what_all_pairs_find(tmp_path, one_thread):
    whole = clustered(FEW + 2200)
    stock = Vectors(whole.root, whole.files[:-200], whole.vectors[:-200], MODEL)
    facts = build_index(tmp_path / "i.usearch", stock)
    index = open_index(tmp_path / "i.usearch")
    assert index.facts == facts
    assert facts.model == MODEL
    assert facts.recall >= 0.97
    hits = firsts = 0
    for query in whole.vectors[-200:]:
        alike = stock.vectors @ query
        best = np.argsort(-alike)[:10]
        found = index.search(query, 10)
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
        firsts += found[0].similarity >= alike.max() - 0.02
        hits += len({stock.files[i] for i in best} & {one.file for one in found})
    assert hits / 2000 >= 0.93
    assert firsts / 200 >= 0.95


@pytest.mark.parametrize("expansion", [EXACT, 64])
def test_every_vector_is_in_the_index_under_its_name(tmp_path, expansion, monkeypatch, one_thread):
    found = clustered(FEW + 50)
    monkeypatch.setattr("mobilenets.data.neighbours._calibrated", lambda *_: (expansion, 1.0))
    build_index(tmp_path / "i.usearch", found)
    index = open_index(tmp_path / "i.usearch")
    names = [index.search(vector, 1)[0].file for vector in found.vectors]
    assert np.mean([name == wanted for name, wanted in zip(names, found.files, strict=True)]) > 0.99


def test_few_vectors_are_all_looked_at(tmp_path):
    found = clustered(5)
    facts = build_index(tmp_path / "i.usearch", found)
    assert (facts.expansion, facts.recall) == (EXACT, 1.0)
    index = open_index(tmp_path / "i.usearch")
    assert len(index) == 5
    assert {one.file for one in index.search(found.vectors[0], 99)} == set(found.files)


def break_facts(**changes):
    def spoil(path):
        place = facts_path(path)
        place.write_text(json.dumps({**json.loads(place.read_text()), **changes}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "does not exist; make it with mobilenets index"),
        (lambda path: facts_path(path).unlink(), r"i\.usearch\.json, which belongs to .* does not exist"),
        (lambda path: facts_path(path).write_text("{"), "cannot be read"),
        (lambda path: facts_path(path).write_text("[]"), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not the file that"),
        (lambda path: path.write_bytes(b""), "is not the file that"),
        (break_facts(files=["a"]), "does not hold what"),
        (break_facts(files=[]), "holds no facts"),
        (break_facts(schema=99), "holds no facts"),
        (break_facts(model=[]), "holds no facts"),
        (break_facts(surplus=1), "cannot be read"),
    ],
)
def test_a_broken_index_is_one_line(tmp_path, spoil, message):
    path = tmp_path / "i.usearch"
    build_index(path, clustered(5))
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        open_index(path)
    assert "\n" not in str(caught.value)
