import json
import shutil

import numpy as np
import pytest
from PIL import Image

import mobilenets
from mobilenets.base.errors import DataError, UnknownName
from mobilenets.cli.main import main
from mobilenets.data.load import load_dataset
from mobilenets.data.signs import signs


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A YOLO set of thirty images with a box each."""
    root = tmp_path_factory.mktemp("cells")
    for i in range(30):
        for folder in ("images", "labels"):
            (root / folder).mkdir(exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{i:02}.png")
        (root / f"labels/{i:02}.txt").write_text(f"{i % 2} 0.5 0.5 0.25 0.5\n")
    (root / "data.yaml").write_text("names: [cat, dog]\n")
    return root


def test_a_set_is_converted_and_told(cells, tmp_path, capsys):
    assert main(["convert", str(cells), "--to", "coco", "--out", str(tmp_path / "coco"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "data": str(cells),
        "task": "detect",
        "to": "coco",
        "out": str(tmp_path / "coco"),
        "labels": ["cat", "dog"],
        "images": {"all": 30},
        "left_out": 0,
        "lost": {},
    }
    content = json.loads((tmp_path / "coco/annotations/instances.json").read_text())
    assert content["annotations"][0]["bbox"] == [15, 7.5, 10, 15]
    before, after = (load_dataset(source, task="detect")[0] for source in (cells, tmp_path / "coco"))
    assert before.counts("train") == after.counts("train")


def test_images_are_linked_where_the_disk_can_and_copied_where_not(cells, tmp_path, monkeypatch):
    mobilenets.convert(cells, to="voc", out=tmp_path / "linked")
    assert (tmp_path / "linked/JPEGImages/00.png").samefile(cells / "images/00.png")

    def refuse(*_):
        raise OSError("cross-device")

    monkeypatch.setattr("os.link", refuse)
    mobilenets.convert(cells, to="voc", out=tmp_path / "copied")
    copied = tmp_path / "copied/JPEGImages/00.png"
    assert not copied.samefile(cells / "images/00.png")
    assert copied.read_bytes() == (cells / "images/00.png").read_bytes()


def test_an_image_in_two_splits_is_there_once(cells, tmp_path):
    shutil.copytree(cells, tmp_path / "twice")
    (tmp_path / "twice/data.yaml").write_text("train: images\nval: images\nnames: [cat, dog]\n")
    mobilenets.convert(tmp_path / "twice", to="voc", out=tmp_path / "voc")
    assert len(list((tmp_path / "voc/JPEGImages").iterdir())) == 30
    for split in ("train", "val"):
        assert len((tmp_path / f"voc/ImageSets/Main/{split}.txt").read_text().split()) == 30


def test_what_cannot_be_used_is_left_out_and_named(cells, tmp_path, capsys):
    mobilenets.convert(cells, to="coco", out=tmp_path / "coco")
    path = tmp_path / "coco/annotations/instances.json"
    content = json.loads(path.read_text())
    content["annotations"][3] |= {"iscrowd": 1, "difficult": 1}
    content["annotations"][7]["bbox"] = "none"
    path.write_text(json.dumps(content))
    told = mobilenets.convert(tmp_path / "coco", to="yolo", out=tmp_path / "yolo")
    assert (told["left_out"], told["images"], told["lost"]) == (1, {"all": 29}, {"crowd": 1, "difficult": 1})
    assert "left out images/07.png: cannot be read: its bbox is 'none'" in capsys.readouterr().err


def test_refusals_are_one_line(cells, tmp_path, capsys):
    with pytest.raises(UnknownName, match="no layout to detect with 'yollo'; did you mean yolo"):
        mobilenets.convert(cells, to="yollo", out=tmp_path / "x")
    with pytest.raises(UnknownName, match="no task to convert for 'classify'; known: detect, segment"):
        mobilenets.convert(cells, to="voc", out=tmp_path / "x", task="classify")
    with pytest.raises(DataError, match="exists and is not empty; give another folder"):
        mobilenets.convert(cells, to="voc", out=cells)
    with pytest.raises(DataError, match="does not exist; give"):
        mobilenets.convert(tmp_path / "gone", to="voc", out=tmp_path / "x")
    assert main(["convert", str(cells), "--to", "masks", "--out", str(tmp_path / "x")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {cells} holds no masks; give a folder")
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_set_has_boxes_and_masks(tmp_path):
    """Both agree: the mask of the main sign lies within its box, which reaches over what hides it."""
    images = signs(tmp_path / "signs", {"train": 2, "val": 1, "test": 1})
    boxed, _ = load_dataset(images, task="detect")
    masked, _ = load_dataset(images, task="segment")
    assert masked.labels == ("background", *boxed.labels)
    assert [len(boxed.split(split)) for split in ("train", "val", "test")] == [24, 12, 12]
    from mobilenets.data.masks import read_mask

    for one, two in zip(boxed.train, masked.train, strict=True):
        assert one.path == two.path
        inside = np.zeros((96, 96), bool)
        for box in one.boxes:
            inside[int(box.y1) : int(box.y2) + 1, int(box.x1) : int(box.x2) + 1] = True
        mask = read_mask(two)
        assert not mask[~inside].any()
        assert one.boxes[0].label + 1 in mask
    told = mobilenets.convert(images, to="yolo", out=tmp_path / "yolo")
    assert told["images"] == {"train": 24, "val": 12, "test": 12}
    assert mobilenets.convert(images, to="masks", out=tmp_path / "masks")["task"] == "segment"
    assert mobilenets.doctor(tmp_path / "masks")["levels"]["error"] == 0
    assert mobilenets.doctor(images, task="segment")["levels"]["error"] == 0


def test_a_damaged_index_of_the_embedded_set_is_one_line(tmp_path):
    images = signs(tmp_path / "signs", {"train": 1, "val": 1, "test": 1})
    index = tmp_path / "signs/annotations.json"
    index.write_text(index.read_text().replace('"box"', '"bax"', 1))
    with pytest.raises(DataError, match=r"is damaged .*; delete the set: it is made again"):
        load_dataset(images, task="detect")
