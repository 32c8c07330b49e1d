import hashlib
import json
import os
import resource
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mobilenets.base.errors import DataError, StorageError
from mobilenets.data.doctor import examine
from mobilenets.data.load import find_source, load_dataset
from mobilenets.data.signs import COUNTS, LABELS, generate, scenes, signs
from mobilenets.data.signs.faces import face

FEW = {"train": 2, "val": 1, "test": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A small set."""
    folder = tmp_path_factory.mktemp("few") / "signs"
    assert signs(folder, FEW) == folder / "images"
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_it_is_a_dataset_of_class_folders(home):
    dataset, findings = load_dataset(home / "images")
    assert dataset.labels == LABELS
    assert len(LABELS) == 12
    assert [dataset.counts(split) for split in FEW] == [[count] * 12 for count in FEW.values()]
    assert (findings, dataset.made) == ([], ())
    assert {finding.id for finding in examine(home / "images")} == {"few-images"}


def test_another_process_makes_the_same_bytes(home, tmp_path):
    code = f"from pathlib import Path; from mobilenets.data.signs import signs; signs(Path('again'), {FEW})"
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    assert contents(tmp_path / "again") == contents(home)


def test_it_is_made_once(home):
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    signs(home)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_the_index_agrees_with_the_pictures(home):
    index = json.loads((home / "annotations.json").read_text())
    assert (tuple(index["labels"]), index["size"]) == (LABELS, [96, 96])
    assert len(index["images"]) == len(list((home / "images").rglob("*.jpg"))) == 48
    for entry in index["images"]:
        with Image.open(home / entry["image"]) as image, Image.open(home / entry["mask"]) as mask:
            assert (image.size, image.mode, mask.size, mask.mode) == ((96, 96), "RGB", (96, 96), "P")
            shown = np.asarray(mask)
        main, *others = entry["signs"]
        assert main["label"] == entry["label"] == entry["image"].split("/")[2]
        assert set(np.unique(shown)) - {0} <= {1 + LABELS.index(sign["label"]) for sign in entry["signs"]}
        for sign in entry["signs"]:
            left, top, right, bottom = sign["box"]
            inside = shown[top:bottom, left:right] == 1 + LABELS.index(sign["label"])
            assert inside.mean() > 0.3  # a triangle fills half of its box, leaves hide a part
        assert np.isin(1 + LABELS.index(main["label"]), shown)
        assert all(area(sign) < 0.5 * area(main) for sign in others)


def area(sign):
    left, top, right, bottom = sign["box"]
    return (right - left) * (bottom - top)


def test_masked_pixels_lie_in_boxes(home):
    for entry in json.loads((home / "annotations.json").read_text())["images"]:
        with Image.open(home / entry["mask"]) as mask:
            outside = np.array(mask)
        for sign in entry["signs"]:
            left, top, right, bottom = sign["box"]
            outside[top:bottom, left:right] = 0
        assert not outside.any()


def test_some_scenes_hold_a_second_sign():
    counts = Counter(len(scenes.compose(np.random.default_rng(i), "stop").signs) for i in range(40))
    assert set(counts) == {1, 2}
    assert 1 < counts[2] < 20


def test_faces_differ_as_they_should():
    left, right = (np.asarray(face(f"turn-{side}")) for side in ("left", "right"))
    assert np.array_equal(left[:, ::-1], right)
    assert not np.array_equal(left, right)
    assert len({face(label).tobytes() for label in LABELS}) == 12
    assert all(face(label).getchannel("A").getextrema() == (0, 255) for label in LABELS)


def test_a_set_cut_short_leaves_nothing(tmp_path, monkeypatch):
    def stop(home, task):
        if task.number == 1:
            raise KeyboardInterrupt
        return {}

    monkeypatch.setattr(generate.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.setattr(generate, "_make", stop)
    with pytest.raises(KeyboardInterrupt):
        signs(tmp_path / "signs", FEW)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_one_line(tmp_path):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, old[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*signs: .*; free some space") as caught:
            signs(tmp_path / "signs", FEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "signs").mkdir()
    (tmp_path / "signs/notes.txt").write_text("mine")
    with pytest.raises(DataError, match="signs exists and is not the signs data set"):
        signs(tmp_path / "signs", FEW)
    assert [path.name for path in tmp_path.rglob("*")] == ["signs", "notes.txt"]


def test_the_quicker_of_two_makers_wins(home, tmp_path, monkeypatch):
    target = tmp_path / "signs"

    def meanwhile(draft, counts):
        home.parent.joinpath("signs").rename(target)

    monkeypatch.setattr(generate, "_fill", meanwhile)
    try:
        assert signs(target, FEW) == target / "images"
        assert [path.name for path in tmp_path.iterdir()] == ["signs"]
    finally:
        target.rename(home)


def test_the_name_signs_is_a_source(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"signs-{generate.VERSION}").symlink_to(home)
    assert find_source("signs") == tmp_path / "cache" / f"signs-{generate.VERSION}" / "images"
    (tmp_path / "signs").mkdir()
    assert str(find_source("signs")) == "signs"
    assert str(find_source("elsewhere")) == "elsewhere"


@pytest.mark.slow
def test_the_whole_set_is_clean_and_no_linear_matter(tmp_path):
    images = signs(tmp_path / "signs")
    assert examine(images) == []
    dataset, _ = load_dataset(images)
    assert [len(dataset.split(split)) // 12 for split in COUNTS] == list(COUNTS.values())
    assert ridge_accuracy(dataset) < 0.5


def ridge_accuracy(dataset, side=16, penalty=1e6):
    """Top-1 on test of a ridge regression on small pixels."""

    def split(name):
        samples = dataset.split(name)
        small = [np.asarray(Image.open(s.path).resize((side, side))).ravel() for s in samples]
        return np.array(small, float) - 128, np.array([s.label for s in samples])

    (x, y), (held_x, held_y) = split("train"), split("test")
    targets = np.eye(12)[y] - 1 / 12
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ targets)
    return ((held_x @ weights).argmax(axis=1) == held_y).mean()
