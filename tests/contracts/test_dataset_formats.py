"""What every layout owes: a data set written in it reads back as the same images, classes and annotations."""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilenets.base.errors import DataError
from mobilenets.data import boxes as box_layouts
from mobilenets.data import masks as mask_layouts
from mobilenets.data.dataset import Box, BoxedSample, MaskedSample
from mobilenets.data.doctor import examine
from mobilenets.data.listing import Listing
from mobilenets.data.load import load_dataset, read_annotated
from mobilenets.data.masks import read_mask
from mobilenets.data.masks.coding import by_value
from mobilenets.data.writing import WRITERS, write

DATA = Path(os.environ.get("MOBILENETS_DATA", Path(__file__).parents[3] / "shared" / "data"))
CORNERS = ("x1", "y1", "x2", "y2")
NAMES = ("Vorfahrt gewähren", "止まれ", "a & <b>", "unused")  # beyond ASCII, markup, one without a box
SIZES = ((64, 48), (40, 56), (50, 50))
SPLITS = (("all",), ("train", "val"), ("train", "test"), ("train", "val", "test"))
BOXES = list(WRITERS["detect"])
MASKS = list(WRITERS["segment"])


def photo(path, size, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(cells).resize(size).save(path)
    return path


def boxed(root, splits):
    """Three images per split, the last without a box; two share a file name, in different folders."""
    rng = np.random.default_rng(7)
    files = {}
    for number, split in enumerate(splits):
        samples = []
        for i, size in enumerate(SIZES):
            path = photo(root / split / str(i % 2) / f"{i // 2}.jpg", size, 10 * number + i)
            corners = [
                [np.sort(rng.uniform(0, side - 1, 2)) for side in size] for _ in range(4 if i < 2 else 0)
            ]
            found = [
                Box(int(rng.integers(3)), float(x[0]), float(y[0]), float(x[1]) + 1, float(y[1]) + 1)
                for x, y in corners
            ]
            samples.append(BoxedSample(path, *size, tuple(found)))
        files[split] = tuple(samples)
    return Listing(root, NAMES, files)


def masked(root, splits):
    """Three images per split with masks of blocks."""
    rng = np.random.default_rng(7)
    labels = ("background", *NAMES)
    coding = by_value(list(labels), root).coding
    files = {}
    for number, split in enumerate(splits):
        samples = []
        for i, (width, height) in enumerate(SIZES):
            path = photo(root / split / f"{split}{i}.jpg", (width, height), 10 * number + i)
            mask = np.kron(rng.integers(0, 4, (height // 8, width // 8 + 1)), np.ones((8, 8)))
            mask = np.pad(mask, ((0, height - mask.shape[0]), (0, 0)))[:, :width].astype(np.uint8)
            place = root / "gt" / f"{split}{i}.png"
            place.parent.mkdir(exist_ok=True)
            Image.fromarray(mask).save(place)
            pixels = tuple(map(int, np.bincount(mask.ravel(), minlength=5)))
            samples.append(MaskedSample(path, place, width, height, coding, pixels=pixels))
        files[split] = tuple(samples)
    return Listing(root, labels, files)


def images(listing):
    """Every sample by its split and the pixels of its image, which no layout changes."""
    return {
        (split, sample.path.read_bytes()): sample
        for split, samples in listing.files.items()
        for sample in samples
    }


def apart(first, second):
    """The largest distance between corners of the same box; classes, images and splits must be equal."""
    assert first.labels == second.labels
    ours, theirs = images(first), images(second)
    assert ours.keys() == theirs.keys()
    worst = 0.0
    for key, sample in ours.items():
        other = theirs[key]
        assert (sample.width, sample.height) == (other.width, other.height)
        assert sample.classes == other.classes
        for one, two in zip(sample.boxes, other.boxes, strict=True):
            worst = max(worst, *(abs(getattr(one, c) - getattr(two, c)) for c in CORNERS))
    return worst


@pytest.mark.parametrize("splits", SPLITS, ids="-".join)
@pytest.mark.parametrize("layout", BOXES)
def test_boxes_read_back_equal(layout, splits, tmp_path):
    listing = boxed(tmp_path / "ours", splits)
    write(listing, "detect", layout, tmp_path / "out")
    assert box_layouts.layout_of(tmp_path / "out") == layout
    found, left_out = read_annotated(tmp_path / "out", "detect")
    assert left_out == []
    assert apart(listing, found) < 0.001
    assert sum(len(sample.boxes) for sample in images(found).values()) == 8 * len(splits)


@pytest.mark.parametrize("splits", SPLITS, ids="-".join)
@pytest.mark.parametrize("layout", MASKS)
def test_masks_read_back_equal(layout, splits, tmp_path):
    listing = masked(tmp_path / "ours", splits)
    write(listing, "segment", layout, tmp_path / "out")
    assert mask_layouts.layout_of(tmp_path / "out") == {"masks": "folders"}.get(layout, layout)
    found, left_out = read_annotated(tmp_path / "out", "segment")
    assert left_out == []
    assert found.labels == listing.labels
    ours, theirs = images(listing), images(found)
    assert ours.keys() == theirs.keys()
    for key, sample in ours.items():
        assert np.array_equal(read_mask(theirs[key]), np.asarray(Image.open(sample.mask)))
        assert theirs[key].pixels == sample.pixels


@pytest.mark.parametrize(("layout", "kept"), [("masks", 255), ("voc", 255), ("coco", 0)])
def test_void_stays_void_where_the_layout_has_it(layout, kept, tmp_path):
    listing = masked(tmp_path / "ours", ("all",))
    place = listing.files["all"][0].mask
    mask = np.array(Image.open(place))
    mask[:5] = 255
    Image.fromarray(mask).save(place)
    write(listing, "segment", layout, tmp_path / "out")
    found = images(read_annotated(tmp_path / "out", "segment")[0])
    read = read_mask(found["all", listing.files["all"][0].path.read_bytes()])
    assert (read[:5] == kept).all()
    assert np.array_equal(read[5:], mask[5:])


@pytest.mark.parametrize(("task", "layout"), [(task, name) for task in WRITERS for name in WRITERS[task]])
def test_every_layout_can_be_trained_on_and_is_sound(task, layout, tmp_path):
    listing = (boxed if task == "detect" else masked)(tmp_path / "ours", ("train", "val"))
    write(listing, task, layout, tmp_path / "out")
    dataset, left_out = load_dataset(tmp_path / "out", task=task)
    assert (len(dataset.train), len(dataset.val), dataset.made, left_out) == (3, 3, (), [])
    assert len(dataset.fingerprint()) == 64
    assert {finding.level for finding in examine(tmp_path / "out", task)} <= {"warning", "note"}


@pytest.mark.parametrize(
    ("layout", "crowd", "difficult"), [("voc", False, True), ("coco", True, True), ("yolo", False, False)]
)
def test_what_a_layout_keeps_of_the_marks(layout, crowd, difficult, tmp_path):
    listing = boxed(tmp_path / "ours", ("all",))
    first, *others = listing.files["all"]
    marked = replace(first, boxes=(replace(first.boxes[0], crowd=True, difficult=True), *first.boxes[1:]))
    listing = replace(listing, files={"all": (marked, *others)})
    write(listing, "detect", layout, tmp_path / "out")
    found, _ = read_annotated(tmp_path / "out", "detect")
    boxes = [box for sample in images(found).values() for box in sample.boxes]
    assert [box.crowd for box in boxes].count(True) == crowd
    assert [box.difficult for box in boxes].count(True) == difficult


@pytest.mark.parametrize(("task", "layout"), [(task, name) for task in WRITERS for name in WRITERS[task]])
def test_a_writer_that_fails_leaves_nothing(task, layout, tmp_path):
    listing = (boxed if task == "detect" else masked)(tmp_path / "ours", ("train",))
    for sample in listing.files["train"][1:]:
        sample.path.unlink()
    with pytest.raises(Exception, match="cannot write"):
        write(listing, task, layout, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(DataError, match="exists and is not empty"):
        write(listing, task, layout, tmp_path / "out")


@st.composite
def boxes_on(draw, width, height):
    """Any boxes of a pixel and more inside an image."""
    found = []
    for _ in range(draw(st.integers(0, 20))):
        x1, y1 = (draw(st.floats(0, side - 1)) for side in (width, height))
        x2, y2 = draw(st.floats(x1 + 1, width)), draw(st.floats(y1 + 1, height))
        found.append(Box(draw(st.integers(0, 1)), x1, y1, x2, y2))
    return tuple(dict.fromkeys(found))


@settings(deadline=None, max_examples=5)
@given(data=st.data(), width=st.integers(2, 90), height=st.integers(2, 90))
def test_voc_to_coco_to_yolo_to_voc_moves_no_corner_by_half_a_pixel(data, width, height, tmp_path_factory):
    root = tmp_path_factory.mktemp("round")
    path = photo(root / "ours" / "a.png", (width, height), 1)
    listing = Listing(
        root / "ours",
        ("a", "b"),
        {"all": (BoxedSample(path, width, height, data.draw(boxes_on(width, height))),)},
    )
    write(listing, "detect", "voc", root / "start")
    start = found = read_annotated(root / "start", "detect")[0]
    for number, layout in enumerate(("coco", "yolo", "voc")):
        write(found, "detect", layout, root / str(number))
        found = read_annotated(root / str(number), "detect")[0]
    assert apart(listing, start) < 0.01
    assert apart(start, found) < 0.5


@pytest.mark.slow
def test_a_published_data_set_goes_round_and_comes_back(tmp_path):
    if not (DATA / "bccd.zip").exists():
        pytest.skip(f"{DATA / 'bccd.zip'} is not there")
    with zipfile.ZipFile(DATA / "bccd.zip") as archive:
        archive.extractall(tmp_path)
    source = tmp_path / "bccd"
    first = found = read_annotated(source, "detect")[0]
    assert {split: len(samples) for split, samples in first.files.items()} == {
        "train": 205,
        "val": 87,
        "test": 72,
    }
    for layout in ("coco", "yolo", "voc"):
        write(found, "detect", layout, tmp_path / layout)
        found = read_annotated(tmp_path / layout, "detect")[0]
    assert sum(len(sample.boxes) for sample in images(found).values()) == 4888
    assert apart(first, found) < 0.01
    names = (source / "ImageSets/Main/test.txt").read_text().split()
    assert (tmp_path / "voc/ImageSets/Main/test.txt").read_text().split() == sorted(names)
