import errno
import os

import pytest

from mobilenets.base.errors import DataError
from mobilenets.data.dataset import Sample
from mobilenets.data.formats import (
    LayoutError,
    faults,
    find_listing,
    read_csv,
    read_folder,
    read_listing,
    relative,
    remarks,
)


def touch(root, *names):
    """Files of no content; listing does not open images."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def divide(root, *splits):
    """One cat and one dog in each split."""
    return touch(root, *(f"{split}/{label}/a.jpg" for split in splits for label in ("cat", "dog")))


def table(root, text):
    path = root / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def listed(listing):
    """Split to relative name to class name."""
    return {
        split: {relative(listing, sample.path): listing.labels[sample.label] for sample in samples}
        for split, samples in listing.files.items()
    }


def message(source):
    """The one line of the error that `source` gives."""
    with pytest.raises(DataError) as caught:
        find_listing(source)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_class_folders(tmp_path):
    touch(tmp_path, "dog/b.png", "cat/a.jpg", "dog/a.JPG")
    listing = find_listing(tmp_path)
    assert listing.root == tmp_path
    assert listing.labels == ("cat", "dog")
    assert listing.files == {
        "all": (
            Sample(tmp_path / "cat/a.jpg", 0),
            Sample(tmp_path / "dog/a.JPG", 1),
            Sample(tmp_path / "dog/b.png", 1),
        )
    }


def test_classes_are_sorted_by_name_as_text(tmp_path):
    touch(tmp_path, "10/a.jpg", "9/a.jpg", "B/a.jpg", "a/a.jpg")
    assert find_listing(tmp_path).labels == ("10", "9", "B", "a")


def test_images_in_folders_below_a_class_belong_to_it(tmp_path):
    touch(tmp_path, "cat/2024/may/a.jpg", "dog/a.jpg")
    assert listed(find_listing(tmp_path)) == {"all": {"cat/2024/may/a.jpg": "cat", "dog/a.jpg": "dog"}}


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_split_folders(tmp_path, val):
    divide(tmp_path, "train", val, "test")
    found = listed(find_listing(tmp_path))
    assert list(found) == ["train", "val", "test"]
    assert found["val"] == {f"{val}/cat/a.jpg": "cat", f"{val}/dog/a.jpg": "dog"}


def test_splits_have_many_names(tmp_path):
    divide(tmp_path, "Training", "test_set", "dev")
    assert list(listed(find_listing(tmp_path))) == ["train", "val", "test"]


def test_classes_that_may_be_splits_are_remarked(tmp_path):
    divide(tmp_path, "seg_train", "seg_test")
    [found] = remarks(find_listing(tmp_path))
    assert found.message == "classes seg_test, seg_train each hold the folders cat, dog"
    assert not list(remarks(find_listing(touch(tmp_path, "seg_test/a.jpg"))))


@pytest.mark.parametrize(("files", "task"), [
    (("images/a.jpg", "masks/a.png", "classes.txt"), "segment"),
    (("Annotations/a.xml", "JPEGImages/a.jpg"), "detect"),
])  # fmt: skip
def test_a_forgotten_task_is_named(tmp_path, files, task):
    assert message(touch(tmp_path, *files)).endswith(f"; give --task {task}")


@pytest.mark.parametrize("splits", [("train",), ("train", "val"), ("train", "test")])
def test_some_splits_may_be_absent(tmp_path, splits):
    divide(tmp_path, *splits)
    assert tuple(find_listing(tmp_path).files) == splits


def test_a_class_may_be_called_train(tmp_path):
    touch(tmp_path, "train/a.jpg", "plane/a.jpg", "car/a.jpg")
    assert find_listing(tmp_path).labels == ("car", "plane", "train")


def test_a_class_may_be_absent_from_val(tmp_path):
    touch(tmp_path, "train/cat/a.jpg", "train/dog/a.jpg", "val/cat/b.jpg")
    assert listed(find_listing(tmp_path))["val"] == {"val/cat/b.jpg": "cat"}


def test_clutter_is_passed_over(tmp_path):
    touch(tmp_path, "cat/a.jpg", "dog/a.jpg", "__MACOSX/cat/a.jpg", ".git/x/a.jpg", ".DS_Store", "Thumbs.db")
    touch(tmp_path, "cat/.hidden.jpg", "cat/Thumbs.db", "cat/__MACOSX/a.jpg", "desktop.ini")
    listing = find_listing(tmp_path)
    assert listed(listing) == {"all": {"cat/a.jpg": "cat", "dog/a.jpg": "dog"}}
    assert listing.unused == ()


def test_what_is_no_image_is_set_apart(tmp_path):
    touch(tmp_path, "cat/a.jpg", "dog/a.jpg", "dog/notes.txt", "loose.jpg", "README.md")
    (tmp_path / "dog/more").symlink_to(tmp_path / "cat", target_is_directory=True)
    listing = find_listing(tmp_path)
    assert [relative(listing, path) for path in listing.unused] == ["loose.jpg", "dog/more", "dog/notes.txt"]


def test_folders_beside_splits_are_set_apart(tmp_path):
    touch(divide(tmp_path, "train", "test"), "extra/cat/a.jpg", "train/loose.jpg")
    listing = find_listing(tmp_path)
    assert listing.unused == (tmp_path / "train/loose.jpg", tmp_path / "extra")


def test_a_missing_source_is_named(tmp_path):
    assert f"{tmp_path / 'gone'} does not exist" in message(tmp_path / "gone")
    with pytest.raises(DataError) as caught:
        read_listing(tmp_path / "gone")
    assert not isinstance(caught.value, LayoutError)


def test_an_empty_source(tmp_path):
    assert f"{tmp_path} is empty" in message(tmp_path)


def test_folders_without_any_image(tmp_path):
    touch(tmp_path, "cat/a.txt", "dog/b.txt")
    assert f"{tmp_path} holds no image (.jpg, " in message(tmp_path)


def test_one_class(tmp_path):
    touch(tmp_path, "cat/a.jpg")
    assert message(tmp_path).endswith("has only one class (cat); classification needs at least two")


def test_one_folder_too_high(tmp_path):
    touch(tmp_path, "pets/cat/a.jpg", "pets/dog/a.jpg")
    assert message(tmp_path).endswith(f"needs at least two (is {tmp_path / 'pets'} the dataset?)")


def test_a_class_folder_without_images(tmp_path):
    touch(tmp_path, "cat/a.jpg", "dog/a.jpg", "eel/notes.txt")
    assert message(tmp_path).startswith("class folder eel holds no image")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_folder_without_images_in_a_split(tmp_path, split):
    (divide(tmp_path, "train", "val") / split / "eel").mkdir()
    assert message(tmp_path).startswith(f"class folder {split}/eel holds no image")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_is_not_in_train(tmp_path, split):
    touch(divide(tmp_path, "train"), f"{split}/eel/a.jpg")
    assert message(tmp_path).startswith(f"class eel is in {split} but not in train")


def test_images_without_class_folders(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    line = message(tmp_path)
    assert f"{tmp_path} holds images and no class folders" in line
    assert "FOLDER/CLASS/IMAGE" in line


def test_a_split_without_class_folders(tmp_path):
    touch(divide(tmp_path, "train"), "test/1.jpg")
    assert f"{tmp_path / 'test'} holds images and no class folders" in message(tmp_path)


def test_train_alone_without_class_folders(tmp_path):
    touch(tmp_path, "train/1.jpg")
    assert f"{tmp_path / 'train'} holds images and no class folders" in message(tmp_path)


def test_flat_splits_beside_another_folder(tmp_path):
    touch(tmp_path, "train/1.jpg", "test/2.jpg", "other/3.jpg")
    assert f"{tmp_path / 'train'} holds images and no class folders" in message(tmp_path)


def test_an_empty_split(tmp_path):
    (divide(tmp_path, "train") / "val").mkdir()
    assert f"{tmp_path / 'val'} is empty" in message(tmp_path)


def test_splits_without_train(tmp_path):
    touch(tmp_path, "val/cat/a.jpg", "test/cat/a.jpg")
    assert "has the splits test, val but no train folder" in message(tmp_path)


def test_two_folders_for_one_split(tmp_path):
    divide(tmp_path, "train", "val", "valid")
    assert "both name the split val" in message(tmp_path)


@pytest.mark.parametrize("name", ["data.zip", "data.tar.gz", "DATA.ZIP"])
def test_archives_are_to_be_unpacked(tmp_path, name):
    assert "unpack it" in message(touch(tmp_path, name) / name)


def test_other_files_are_refused(tmp_path):
    assert "neither a folder nor a .csv file" in message(touch(tmp_path, "a.jpg") / "a.jpg")


def test_a_closed_folder_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "cat/a.jpg", "dog/a.jpg", "cat/closed/b.jpg")
    scan = os.scandir

    def closed(place=".", *more):  # to root nothing is closed
        if str(place).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scan(place, *more)

    monkeypatch.setattr(os, "scandir", closed)
    assert f"{tmp_path / 'cat/closed'} cannot be read" in message(tmp_path)


def test_class_names_that_are_not_text(tmp_path):
    touch(tmp_path, "cat/a.jpg", os.fsdecode(b"d\xffg") + "/a.jpg")
    assert message(tmp_path).startswith(r"class name d\udcffg is not valid UTF-8")


def test_all_faults_are_told_apart(tmp_path):
    touch(tmp_path, "train/cat/a.jpg", "test/dog/a.jpg")
    (tmp_path / "test/eel").mkdir()
    found = [(fault.id, fault.file) for fault in faults(read_folder(tmp_path))]
    assert found == [("empty-class", "test/eel"), ("unknown-class", "test/dog/a.jpg")]


def test_csv_without_splits(tmp_path):
    touch(tmp_path, "x/1.jpg", "2")
    listing = find_listing(table(tmp_path, "path,label\nx/1.jpg,dog\n2, cat\n\n"))
    assert listing.root == tmp_path
    assert listed(listing) == {"all": {"x/1.jpg": "dog", "2": "cat"}}


def test_csv_with_splits_and_other_columns(tmp_path):
    touch(tmp_path, *(f"{i}.jpg" for i in range(5)))
    rows = "0.jpg,1,cat,train\n1.jpg,2,dog,Train\n2.jpg,3,cat,valid\n3.jpg,4,dog,test\n4.jpg,5,cat,train\n"
    found = listed(read_csv(table(tmp_path, "\ufeffPath,id,Label, Split\n" + rows)))
    assert found == {
        "train": {"0.jpg": "cat", "1.jpg": "dog", "4.jpg": "cat"},
        "val": {"2.jpg": "cat"},
        "test": {"3.jpg": "dog"},
    }


def test_csv_with_absolute_paths_below_it(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    listing = find_listing(table(tmp_path, f"path,label\n{tmp_path}/1.jpg,dog\n2.jpg,cat\n"))
    assert listed(listing) == {"all": {"1.jpg": "dog", "2.jpg": "cat"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,label\n1.jpg,cat\n", "has the columns file, label; it needs path and label"),
        ("", "has the columns none"),
        ("path,label\n", "lists no image"),
        ("path,label\n1.jpg,cat\n9.jpg,dog\n", "labels.csv line 3 names '9.jpg', which is not a file"),
        ("path,label\n1.jpg,cat\n,dog\n", "labels.csv line 3 names '', which is not a file"),
        ("path,label\n1.jpg,cat\n2.jpg,\n", "labels.csv line 3 has an empty label"),
        ("path,label\n1.jpg,cat\n2.jpg,  \n", "labels.csv line 3 has an empty label"),
        ("path,label\n1.jpg,cat\n2.jpg\n", "labels.csv line 3 has not the 2 columns"),
        ("path,label\n1.jpg,cat\n2.jpg,dog,x\n", "labels.csv line 3 has not the 2 columns"),
        ("path,label\n1.jpg,cat\n1.jpg,dog\n", "labels.csv line 3 repeats line 2 (1.jpg)"),
        ("path,label\n../{name}/1.jpg,cat\n", "outside"),
        ("path,label,split\n1.jpg,cat,spare\n", "line 2 has the split 'spare'; known: train, val, test"),
        ("path,label,split\n1.jpg,cat,\n", "labels.csv line 2 has the split ''"),
        ("path,label,split\n1.jpg,cat,test\n", "has no row with the split train"),
        ('path,label\n"1.jpg,cat\n2.jpg,dog\n', "is not a CSV in UTF-8"),
        ("path,label\n1.jpg,cat\n2.jpg,cat\n", "has only one class (cat); classification needs at least two"),
    ],
)
def test_csv_mistakes(tmp_path, text, expected):
    touch(tmp_path, "1.jpg", "2.jpg")
    assert expected in message(table(tmp_path, text.replace("{name}", tmp_path.name)))


def test_csv_in_another_encoding(tmp_path):
    path = touch(tmp_path, "1.jpg") / "labels.csv"
    path.write_bytes("path,label\n1.jpg,Käse\n".encode("latin-1"))
    assert "is not a CSV in UTF-8" in message(path)
