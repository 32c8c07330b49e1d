import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from mobilenets.base.errors import DataError, UsageError
from mobilenets.data.images import open_rgb
from mobilenets.data.load import load_dataset, load_unlabelled


@pytest.fixture
def pets(tmp_path):
    """Two classes of thirty images."""
    for k, label in enumerate(("cat", "dog")):
        (tmp_path / label).mkdir()
        for i in range(30):
            pixels = np.random.default_rng([k, i]).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{i:02}.jpg")
    return tmp_path


def test_a_sound_folder(pets):
    dataset, findings = load_dataset(pets, val=0.2, seed=3)
    assert findings == []
    assert dataset.labels == ("cat", "dog")
    assert (dataset.counts("train"), dataset.counts("val")) == ([24, 24], [6, 6])
    assert load_dataset(pets, val=0.2, seed=3)[0] == dataset
    assert load_dataset(pets, val=0.2, seed=4)[0] != dataset


def test_files_that_cannot_be_used_are_left_out_and_named(pets):
    (pets / "dog/05.jpg").write_bytes(b"")
    cut = pets / "cat/07.jpg"
    cut.write_bytes(cut.read_bytes()[:-100])
    (pets / "dog/06.jpg").rename(pets / "dog" / os.fsdecode(b"\xff.jpg"))
    dataset, findings = load_dataset(pets)
    assert [(finding.id, finding.file) for finding in findings] == [
        ("corrupt", "cat/07.jpg"),
        ("empty-file", "dog/05.jpg"),
        ("unreadable-name", r"dog/\udcff.jpg"),
    ]
    kept = [sample.path for sample in (*dataset.train, *dataset.val)]
    assert len(kept) == 57
    assert all(open_rgb(path).mode == "RGB" for path in kept)
    assert len(dataset.fingerprint()) == 64


def test_what_is_not_used_is_told(pets):
    (pets / "cat/31.heic").write_bytes(b"a photograph")
    shutil.copy(pets / "cat/00.jpg", pets / "loose.jpg")
    dataset, findings = load_dataset(pets)
    assert [(one.level, one.file) for one in findings] == [
        ("warning", "loose.jpg"),
        ("warning", "cat/31.heic"),
    ]
    assert len(dataset.train) + len(dataset.val) == 60


def test_too_many_are_refused(pets):
    for i in range(4):
        (pets / f"dog/{i:02}.jpg").write_text("not found")
    expected = (
        "4 of 60 images cannot be used (6.7 %; the limit is 5 %): first: dog/00.jpg, its content is no "
        f"readable BMP, GIF, JPEG, PNG, TIFF or WEBP; run `mobilenets doctor {pets}`"
    )
    with pytest.raises(DataError, match=re.escape(expected)):
        load_dataset(pets)


def test_a_class_that_loses_all_its_images(pets):
    (pets / "eel").mkdir()
    (pets / "eel/1.jpg").write_text("not found")
    with pytest.raises(DataError, match="no image of class eel can be read; run `mobilenets doctor"):
        load_dataset(pets)


def test_a_class_that_loses_all_its_images_in_one_split(pets):
    train = pets / "train"
    for label in ("cat", "dog"):
        (train / label).parent.mkdir(exist_ok=True)
        (pets / label).rename(train / label)
        (pets / "val" / label).mkdir(parents=True)
        (train / label / "00.jpg").rename(pets / "val" / label / "00.jpg")
    (pets / "val/dog/00.jpg").write_text("not found")
    with pytest.raises(DataError, match="no image of class dog in val can be read"):
        load_dataset(pets)


def test_layouts_and_shares_are_checked(pets):
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(pets / "gone")
    with pytest.raises(UsageError, match="val must be between 0 and 1"):
        load_dataset(pets, val=2)


def test_images_without_labels_may_lie_anywhere_below_a_folder(pets):
    dataset, _ = load_dataset(pets, val=0.2, seed=3)
    (pets / "notes.txt").write_text("no image")
    (pets / "dog/05.jpg").write_bytes(b"")
    paths, left_out = load_unlabelled(pets, dataset)
    held = {sample.path for sample in dataset.val} - {pets / "dog/05.jpg"}
    assert [(one.id, one.file) for one in left_out if one.id != "held-out"] == [("empty-file", "dog/05.jpg")]
    assert {pets / one.file for one in left_out if one.id == "held-out"} == held
    assert len(held) >= 11
    assert len(paths) == 60 - 1 - len(held)
    assert not held & {*paths}
    assert list(paths) == sorted(paths)


def test_copies_of_what_is_held_out_teach_nothing(pets, tmp_path_factory):
    dataset, _ = load_dataset(pets, val=0.2, seed=3)
    other = tmp_path_factory.mktemp("camera")
    for number, sample in enumerate((*dataset.val, *dataset.train[:5])):
        shutil.copy(sample.path, other / f"{number:03}.jpg")
    paths, left_out = load_unlabelled(other, dataset)
    assert [path.name for path in paths] == [f"{len(dataset.val) + i:03}.jpg" for i in range(5)]
    assert {one.id for one in left_out} == {"held-out"}
    assert len(left_out) == len(dataset.val)


def test_folders_with_nothing_to_learn_from_are_refused(pets, tmp_path_factory):
    dataset, _ = load_dataset(pets)
    empty = tmp_path_factory.mktemp("empty")
    for folder, message in (
        (empty, "holds no image to learn from; give another folder"),
        (empty / "gone", "does not exist; give a folder of images"),
        (pets / "cat/00.jpg", "is a file; give a folder of images"),
    ):
        with pytest.raises(DataError, match=message):
            load_unlabelled(folder, dataset)
    for path in sorted((pets / "cat").iterdir())[:4]:
        path.write_bytes(b"spoiled")
    with pytest.raises(
        DataError, match=r"4 of 60 images cannot be used \(6.7 %; the limit is 5 %\): first: cat/"
    ):
        load_unlabelled(pets, dataset)
