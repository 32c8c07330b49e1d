import json
import random
import time
from pathlib import Path

import pytest
from annotated import photo
from PIL import Image, ImageDraw, ImageOps

from mobilenets.base.errors import DataError
from mobilenets.data.boxes import layout_of, read_boxes, voc
from mobilenets.data.boxes.drawn import SHARES, Drawn, settle, turned
from mobilenets.data.dataset import Box
from mobilenets.data.images import Facts
from mobilenets.data.listing import LayoutError, below
from mobilenets.data.load import load_dataset, read_annotated
from mobilenets.data.split import split_listing


def page(name, corners=(), size=(64, 48), file="", **marks):
    """A VOC page with one object per (class, xmin, ymin, xmax, ymax)."""
    objects = "".join(
        f"<object><name>{label}</name>{''.join(f'<{k}>{v}</{k}>' for k, v in marks.items())}<bndbox>"
        f"<xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for label, a, b, c, d in corners
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"<annotation><filename>{file or name}</filename>{sides}{objects}</annotation>"


def voc_tree(root, pages, lists=None):
    """A Pascal VOC tree with an image for each page."""
    (root / "Annotations").mkdir(parents=True)
    for i, (name, text) in enumerate(pages.items()):
        photo(root / "JPEGImages" / f"{name}.jpg", seed=i)
        (root / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
    for split, names in (lists or {}).items():
        path = root / "ImageSets/Main" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in names))
    return root


def document(images, boxes, names=("cat", "dog"), size=(64, 48), first=1):
    """A COCO document; boxes are (image, category, x, y, w, h)."""
    return {
        "images": [
            {"id": i, "file_name": name, "width": size[0], "height": size[1]} for i, name in enumerate(images)
        ],
        "annotations": [
            {"id": i, "image_id": image, "category_id": category, "bbox": list(box), "iscrowd": 0}
            for i, (image, category, *box) in enumerate(boxes)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, first)],
    }


def store(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def corners(box):
    return (box.x1, box.y1, box.x2, box.y2)


def listed(source):
    """By split, by image: class names and corners."""
    listing, _ = read_annotated(source, "detect")
    return {
        split: {one.path.stem: [(listing.labels[b.label], *corners(b)) for b in one.boxes] for one in samples}
        for split, samples in listing.files.items()
    }


def remarks(source):
    """Id, level and file of what reading and settling remarks."""
    from mobilenets.data.survey import survey

    found = survey("detect", source).findings
    assert all("\n" not in f"{one.message}{one.file}{one.fix}" and one.fix for one in found)
    return [(one.id, one.level, one.file) for one in found]


# Pascal VOC


def test_voc_counts_pixels_from_one(tmp_path):
    root = voc_tree(tmp_path, {"a": page("a.jpg", [("cat", 1, 1, 64, 48), ("dog", 3, 5, 3, 5)])})
    assert listed(root) == {"all": {"a": [("cat", 0, 0, 64, 48), ("dog", 2, 4, 3, 5)]}}


def test_voc_with_a_zero_counts_from_zero(tmp_path):
    pages = {"a": page("a.jpg", [("cat", 0, 3, 9, 9)]), "b": page("b.jpg", [("cat", 4, 4, 64, 48)])}
    assert listed(voc_tree(tmp_path, pages)) == {
        "all": {"a": [("cat", 0, 3, 9, 9)], "b": [("cat", 4, 4, 64, 48)]}
    }


def test_voc_lists_decide_the_splits(tmp_path):
    pages = {name: page(f"{name}.jpg", [("cat", 1, 1, 9, 9)]) for name in "abcde"}
    root = voc_tree(tmp_path, pages, {"train": "ab", "val": "c", "test": "d", "trainval": "abc"})
    assert {split: list(images) for split, images in listed(root).items()} == {
        "train": ["a", "b"], "val": ["c"], "test": ["d"],
    }  # fmt: skip


def test_voc_trainval_is_train_where_there_is_none(tmp_path):
    pages = {name: page(f"{name}.jpg", [("cat", 1, 1, 9, 9)]) for name in "ab"}
    root = voc_tree(tmp_path, pages, {"trainval": "a", "test": ["b.jpg"]})
    assert {split: list(images) for split, images in listed(root).items()} == {"train": ["a"], "test": ["b"]}


def test_voc_pages_beside_images_of_splits(tmp_path):
    for split in ("train", "valid"):
        photo(tmp_path / split / "x.jpg")
        store(tmp_path / split / "x.xml", page("x.jpg", [("cat", 1, 1, 9, 9)]))
    assert list(listed(tmp_path)) == ["train", "val"]


def test_voc_finds_an_image_by_the_name_in_the_page(tmp_path):
    root = voc_tree(tmp_path, {"a": page("b.png", [("cat", 1, 1, 9, 9)])})
    (root / "JPEGImages/a.jpg").unlink()
    photo(root / "JPEGImages/b.png")
    assert list(listed(root)["all"]) == ["b"]


def test_voc_class_list_gives_order_and_bounds(tmp_path):
    pages = {"a": page("a.jpg", [("cat", 1, 1, 9, 9)]), "b": page("b.jpg", [("eel", 1, 1, 9, 9)])}
    root = voc_tree(tmp_path, pages)
    assert read_boxes(root).labels == ("cat", "eel")
    store(root / "classes.txt", "dog\ncat\n")
    listing = read_boxes(root)
    assert listing.labels == ("dog", "cat")
    (finding,) = listing.findings
    assert (finding.id, finding.file) == ("class-list", "Annotations/b.xml")
    assert finding.message == "has the class 'eel', which classes.txt does not have"


def test_voc_marks(tmp_path):
    root = voc_tree(tmp_path, {"a": page("a.jpg", [("cat", 1, 1, 9, 9)], difficult=1, truncated=1)})
    (sample,) = read_annotated(root, "detect")[0].files["all"]
    assert (sample.boxes[0].difficult, sample.boxes[0].crowd) == (True, False)


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<annotation><object>", "no element found: line 1"),
        ("", "no element found"),
        (BOMB, "it declares a document type"),
        (OUTSIDE, "it declares a document type"),
        ("<annotation><object><name>x</name></object></annotation>", "the object 'x' has no bndbox"),
        ("<annotation><object><bndbox/></object></annotation>", "an object has no name"),
        (page("b.jpg", [("cat", "one", 1, 9, 9)]), "could not convert string to float: 'one'"),
    ],
)
def test_voc_pages_that_cannot_be_read_are_left_out(text, expected, tmp_path):
    root = voc_tree(tmp_path, {"a": page("a.jpg", [("cat", 1, 1, 9, 9)]), "b": text})
    listing = read_boxes(root)
    (finding,) = listing.findings
    assert (finding.id, finding.level, finding.file) == ("broken-annotation", "error", "Annotations/b.xml")
    assert expected in finding.message
    assert [drawn.path.stem for drawn in listing.files["all"]] == ["a"]


def test_voc_what_is_missing_is_named(tmp_path):
    pages = {name: page(f"{name}.jpg", [("cat", 1, 1, 9, 9)]) for name in "abc"}
    root = voc_tree(tmp_path, pages)
    (root / "JPEGImages/b.jpg").unlink()
    (root / "Annotations/c.xml").unlink()
    assert remarks(root) == [
        ("unannotated", "warning", "JPEGImages/c.jpg"),
        ("missing-image", "error", "Annotations/b.xml"),
    ]
    store(root / "ImageSets/Main/train.txt", "a\nc\n")
    assert remarks(root) == [("missing-annotation", "error", "Annotations/c.xml")]


# COCO


def test_coco_beside_the_images_of_splits(tmp_path):
    for split, box in (("train", (0, 2, 1.5, 2, 3, 4)), ("valid", (0, 1, 0, 0, 64, 48))):
        photo(tmp_path / split / f"{split}.jpg")
        store(tmp_path / split / "_annotations.coco.json", document([f"{split}.jpg"], [box]))
    assert listed(tmp_path) == {
        "train": {"train": [("dog", 1.5, 2, 4.5, 6)]},
        "val": {"valid": [("cat", 0, 0, 64, 48)]},
    }


@pytest.mark.parametrize("images", ["{split}2017", "images/{split}2017", "images"])
def test_coco_as_published(images, tmp_path):
    for split in ("train", "val"):
        photo(tmp_path / images.format(split=split) / f"{split}.jpg")
        store(
            tmp_path / f"annotations/instances_{split}2017.json",
            document([f"{split}.jpg"], [(0, 1, 1, 1, 2, 2)]),
        )
        store(tmp_path / f"annotations/captions_{split}2017.json", document([], []))
    assert {split: list(found) for split, found in listed(tmp_path).items()} == {
        "train": ["train"],
        "val": ["val"],
    }


@pytest.mark.parametrize("as_file", [True, False])
def test_coco_one_json_beside_the_images(as_file, tmp_path):
    photo(tmp_path / "pictures/a.jpg")
    path = store(tmp_path / "labels.json", document(["pictures/a.jpg"], [(0, 1, 1, 1, 2, 2)]))
    assert layout_of(path if as_file else tmp_path) == "coco"
    assert listed(path if as_file else tmp_path) == {"all": {"a": [("cat", 1, 1, 3, 3)]}}


def test_coco_ids_are_mapped_by_name(tmp_path):
    """Val numbers the classes the other way round; a heading that has no box is no class."""
    for split, names, first in (("train", ("cat", "dog"), 7), ("val", ("dog", "cat"), 0)):
        photo(tmp_path / split / f"{split}.jpg")
        content = document([f"{split}.jpg"], [(0, first, 1, 1, 2, 2)], names, first=first)
        content["categories"] = [{**one, "supercategory": "pets"} for one in content["categories"]]
        content["categories"].append({"id": 99, "name": "pets", "supercategory": "none"})
        store(tmp_path / split / "_annotations.coco.json", content)
    assert read_boxes(tmp_path).labels == ("cat", "dog")
    assert listed(tmp_path)["val"] == {"val": [("dog", 1, 1, 3, 3)]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("{", "cannot be read as JSON (Expecting property name"),
        ("[" * 100_000, "cannot be read as JSON"),
        ([], "has no list of objects 'images'"),
        ({"images": [], "annotations": [], "categories": [1]}, "has no list of objects 'categories'"),
        ({"images": [], "annotations": [], "categories": [{"id": 1}]}, "a category without id or name"),
        ({"images": [], "annotations": [], "categories": []}, "names no class"),
        (document([], []), "has no annotated image"),
    ],
)
def test_coco_documents_that_are_none(change, expected, tmp_path):
    path = store(tmp_path / "_annotations.coco.json", change)
    with pytest.raises(LayoutError) as caught:
        read_boxes(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"image_id": 9}, ("missing-image", "belongs to image_id 9, which is not there")),
        ({"image_id": [1]}, ("missing-image", "belongs to image_id [1]")),
        ({"category_id": 5}, ("class-list", 'has the class "category_id 5"')),
        ({"category_id": None}, ("class-list", "category_id None")),
        ({"bbox": [1, 2, 3]}, ("broken-annotation", "its bbox is [1, 2, 3]")),
        ({"bbox": [1, 2, 3, "4"]}, ("broken-annotation", "not x, y, width and height")),
        ({"bbox": [1, 2, 3, float("nan")]}, ("broken-annotation", "its bbox is")),
        ({"bbox": [1, 2, 3, 10**400]}, ("broken-annotation", "its bbox is")),
    ],
)
def test_coco_annotations_that_cannot_be_used(item, expected, tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg", seed=1)
    content = document(["a.jpg", "b.jpg"], [(0, 1, 1, 1, 2, 2), (1, 1, 1, 1, 2, 2)])
    content["annotations"][1] |= item
    listing = read_boxes(store(tmp_path / "x.json", content))
    (finding,) = [one for one in listing.findings if one.level == "error"]
    assert (finding.id, finding.level) == (expected[0], "error")
    assert expected[1].replace('"', "'") in finding.message.replace('"', "'")


def test_coco_an_image_that_is_missing_is_lost_once(tmp_path):
    photo(tmp_path / "a.jpg")
    content = document(["a.jpg"], [(0, 1, 1, 1, 2, 2)])
    content["annotations"] += [{**content["annotations"][0], "id": 10 + i, "image_id": 9} for i in range(12)]
    findings = read_boxes(store(tmp_path / "x.json", content)).findings
    assert [one.id for one in findings] == ["missing-image"]


def test_names_of_cameras_have_times_in_them(tmp_path):
    photo(tmp_path / "2024-01-01T12:00:03.jpg")
    content = document(["2024-01-01T12:00:03.jpg"], [(0, 1, 1, 1, 2, 2)])
    assert read_boxes(store(tmp_path / "x.json", content)).files["all"]


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/passwd.jpg", "a/../../secret.jpg", "C:/secret.jpg", "a\x00.jpg", ""]
)
def test_no_annotation_leads_outside(name, tmp_path):
    photo(tmp_path / "secret.jpg")
    photo(tmp_path / "set/a.jpg", seed=1)
    content = document(["a.jpg", name], [(0, 1, 1, 1, 2, 2), (1, 1, 1, 1, 2, 2)])
    listing = read_boxes(store(tmp_path / "set/x.json", content))
    assert [drawn.path.name for drawn in listing.files["all"]] == ["a.jpg"]
    assert [one.id for one in listing.findings] == ["missing-image"]
    assert below(tmp_path, name) is None


# YOLO


def yolo_set(root, sheet, texts):
    """Images and texts by their path below images and labels."""
    for i, (name, text) in enumerate(texts.items()):
        photo(root / "images" / f"{name}.jpg", seed=i)
        if text is not None:
            store(root / "labels" / f"{name}.txt", text)
    if sheet:
        store(root / "data.yaml", sheet)
    return root


LINE = "1 0.5 0.5 0.25 0.5\n"
BOX = ("dog", 24, 12, 40, 36)


@pytest.mark.parametrize("names", ["[cat, dog]", "{0: cat, 1: dog}", "{1: dog, 0: cat}"])
@pytest.mark.parametrize("prefix", ["", "./", "../"])
def test_yolo_with_a_sheet(prefix, names, tmp_path):
    sheet = f"train: {prefix}images/train\nval: [{prefix}images/val]\ntest:\nnames: {names}\n"
    yolo_set(tmp_path, sheet, {"train/a": LINE, "train/b": "", "val/c": "0 0.5 0.5 1 1"})
    expected = {"train": {"a": [BOX], "b": []}, "val": {"c": [("cat", 0, 0, 64, 48)]}}
    assert listed(tmp_path) == listed(tmp_path / "data.yaml") == expected


def test_yolo_with_a_path_and_lists(tmp_path):
    yolo_set(
        tmp_path,
        "path: .\ntrain: train.txt\nval: images/val\nnames: [cat, dog]\n",
        {"train/a": LINE, "val/b": LINE},
    )
    store(tmp_path / "train.txt", "./images/train/a.jpg\n")
    assert listed(tmp_path) == {"train": {"a": [BOX]}, "val": {"b": [BOX]}}
    store(tmp_path / "train.txt", "../a.jpg\n")
    with pytest.raises(LayoutError, match=r"names '\.\./a\.jpg' outside"):
        read_boxes(tmp_path)


def test_yolo_with_the_name_of_its_own_folder_as_path(tmp_path):
    sheet = "path: cells\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"
    root = yolo_set(tmp_path / "cells", sheet, {"train/a": LINE, "val/b": LINE})
    assert listed(root) == {"train": {"a": [BOX]}, "val": {"b": [BOX]}}
    (root / "data.yaml").rename(tmp_path / "data.yaml")
    assert listed(tmp_path) == {"train": {"a": [BOX]}, "val": {"b": [BOX]}}


@pytest.mark.parametrize("names", ["classes.txt", "labels/classes.txt", "obj.names"])
def test_yolo_without_a_sheet(names, tmp_path):
    store(yolo_set(tmp_path, "", {"a": LINE}) / names, "cat\ndog\n")
    assert listed(tmp_path) == {"all": {"a": [BOX]}}


def test_yolo_below_splits(tmp_path):
    for split in ("train", "valid"):
        yolo_set(tmp_path / split, "", {f"{split}1": LINE})
    store(
        tmp_path / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [cat, dog]\nnc: 3",
    )
    assert listed(tmp_path) == {"train": {"train1": [BOX]}, "val": {"valid1": [BOX]}}
    assert remarks(tmp_path) == [
        ("class-list", "warning", "data.yaml"),
        ("missing-split", "warning", "data.yaml"),
    ]


def test_yolo_outlines_become_their_extent(tmp_path):
    yolo_set(tmp_path, "names: [cat, dog]", {"a": "1 0.375 0.25 0.625 0.25 0.5 0.75\n"})
    assert listed(tmp_path) == {"all": {"a": [BOX]}}


def test_yolo_what_is_missing_is_named(tmp_path):
    yolo_set(tmp_path, "names: [cat, dog]", {"a": LINE, "b": None})
    store(tmp_path / "labels/gone.txt", LINE)
    assert remarks(tmp_path) == [
        ("missing-image", "error", "labels/gone.txt"),
        ("unannotated", "warning", "images/b.jpg"),
    ]


@pytest.mark.parametrize(
    ("line", "kind", "expected"),
    [
        ("2 0.5 0.5 0.1 0.1", "class-list", "has the class '2', which the list of 2 names does not have"),
        ("-1 0.5 0.5 0.1 0.1", "class-list", "has the class '-1'"),
        ("cat 0.5 0.5 0.1 0.1", "broken-annotation", "could not convert string to float"),
        ("0.5 0.5 0.5 0.1 0.1", "broken-annotation", "line 1 begins with '0.5', not with a class number"),
        ("inf 0.5 0.5 0.1 0.1", "broken-annotation", "line 1 begins with 'inf'"),
        ("0 0.5 0.5 0.1", "broken-annotation", "line 1 has 3 numbers after the class"),
        ("0 0.5 0.5 0.1 0.1 0.9", "broken-annotation", "line 1 has 5 numbers"),
        ("0 0.5 0.5 0.1 x", "broken-annotation", "could not convert string to float"),
    ],
)
def test_yolo_lines_that_cannot_be_read(line, kind, expected, tmp_path):
    yolo_set(tmp_path, "names: [cat, dog]", {"a": LINE, "b": line})
    (finding,) = read_boxes(tmp_path).findings
    assert (finding.id, finding.level, finding.file) == (kind, "error", "labels/b.txt")
    assert expected in finding.message


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        ("names: {", "cannot be read as YAML"),
        ("names: 3", "has the names 3; give names as a list"),
        ("names: {0: cat, 2: dog}", "give names as a list, or as a dictionary from 0 on"),
        ("names: [cat, cat]", "names the class 'cat' twice"),
        ("names: []", "names no class"),
        ("names: [cat]\ntrain: images/none\n", "gives train: ['images/none'], which is not there"),
        ("names: [cat]\ntrain: /etc\n", "gives train: ['/etc'], which is not there"),
        ("names: [on, off]", "put names such as on, off, yes and no in quotes"),
        ("names: [cat]\nkpt_shape: [4, 2]", "is of points of a pose (kpt_shape); give labels with boxes"),
        ("names: !!python/object/apply:os.getcwd []", "cannot be read as YAML"),
    ],
)
def test_yolo_sheets_that_do_not_serve(sheet, expected, tmp_path):
    yolo_set(tmp_path, sheet, {"a": LINE})
    with pytest.raises(LayoutError) as caught:
        read_boxes(tmp_path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


# What becomes of corners


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_as_pillow_turns_the_image(orientation, tmp_path):
    rng = random.Random(orientation)
    for _ in range(5):
        (x1, x2), (y1, y2) = sorted(rng.sample(range(31), 2)), sorted(rng.sample(range(21), 2))
        image = Image.new("L", (30, 20))
        ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), fill=255)
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as stored:
            upright = ImageOps.exif_transpose(stored).getbbox()
        assert corners(turned(Box(0, x1, y1, x2, y2), orientation, 30, 20)) == upright


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 48), (38, 1, 46, 3)), ((48, 64), (1, 2, 3, 10)), (None, (1, 2, 3, 10))]
)
def test_the_claimed_size_says_which_way_round_it_was_drawn(size, expected, tmp_path):
    """A picture stored 64x48 and turned a quarter: a box drawn on it as stored is turned with it."""
    root = voc_tree(tmp_path, {"a": page("a.jpg", [("cat", 2, 3, 3, 10)], size)})
    photo(root / "JPEGImages/a.jpg", orientation=6)
    (sample,) = read_annotated(root, "detect")[0].files["all"]
    assert (sample.width, sample.height) == (48, 64)
    assert corners(sample.boxes[0]) == expected
    assert [one[0] for one in remarks(root)] == (["exif-moved"] if size == (64, 48) else [])


def test_another_size_than_the_image_has_is_an_error(tmp_path):
    root = voc_tree(tmp_path, {"a": page("a.jpg", [("cat", 1, 1, 9, 9)], (640, 480)), "b": page("b.jpg")})
    assert remarks(root) == [("annotation-size", "error", "Annotations/a.xml")]


NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "kept", "found"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), []),
        ((-0.4, 0, 64.3, 48), (0, 0, 64, 48), []),
        ((-5, 2, 3, 4), (0, 2, 3, 4), [("box-over-edge", "warning")]),
        ((3, 4, 1, 2), (1, 2, 3, 4), [("box-reversed", "warning")]),
        ((1, 4, 3, 2), (1, 2, 3, 4), [("box-reversed", "warning")]),
        ((1, 2, 1, 4), None, [("box-empty", "warning")]),
        ((70, 2, 80, 4), None, [("box-outside", "error")]),
        ((1, -9, 3, 0), None, [("box-outside", "error")]),
        ((NAN, 2, 3, 4), None, [("box-number", "error")]),
        ((1, 2, float("inf"), 4), None, [("box-number", "error")]),
    ],
)
def test_corners_are_checked(given, kept, found):
    drawn = Drawn(Path("a.jpg"), "a.xml", (Box(0, *given),), (64, 48))
    sample, findings = settle(drawn, Facts(Path("a.jpg"), 1, width=64, height=48))
    assert [(one.id, one.level) for one in findings] == found
    if any(level == "error" for _, level in found):
        assert sample is None
    else:
        assert [corners(box) for box in sample.boxes] == ([kept] if kept else [])


def test_a_box_that_is_there_twice_counts_once():
    boxes = (Box(0, 1, 2, 3, 4), Box(1, 1, 2, 3, 4), Box(0, 1, 2, 3, 4))
    sample, (finding,) = settle(
        Drawn(Path("a.jpg"), "a.xml", boxes, None), Facts(Path("a.jpg"), 1, width=9, height=9)
    )
    assert sample.boxes == boxes[:2]
    assert (finding.id, finding.message) == ("box-duplicate", "box 3 (1, 2, 3, 4) is there twice")


def test_shares_are_of_the_upright_image():
    facts = Facts(Path("a.jpg"), 1, width=64, height=48, orientation=8)
    sample, findings = settle(Drawn(Path("a.jpg"), "a.txt", (Box(0, 0, 0.5, 1, 1),), SHARES), facts)
    assert (corners(sample.boxes[0]), findings) == ((0, 32, 48, 64), [])


# Loading


def many(root, count, bad=0):
    """A VOC tree of so many pages, of which some are broken."""
    pages = {f"{i:03}": page(f"{i:03}.jpg", [(("cat", "dog")[i % 7 == 0], 1, 1, 9, 9)]) for i in range(count)}
    return voc_tree(root, pages | {f"{i:03}": "<broken" for i in range(bad)})


def test_few_bad_files_are_left_out_and_many_refused(tmp_path):
    dataset, left_out = load_dataset(many(tmp_path / "few", 40, 2), task="detect")
    assert len(dataset.train) + len(dataset.val) == 38
    assert [one.file for one in left_out] == ["Annotations/000.xml", "Annotations/001.xml"]
    with pytest.raises(
        DataError, match=r"3 of 40 images cannot be used \(7\.5 %; .*first: Annotations/000\.xml, cannot"
    ):
        load_dataset(many(tmp_path / "many", 40, 3), task="detect")


def test_the_rarest_class_of_an_image_decides_where_it_is_held_back(tmp_path):
    pages = {f"{i:02}": page("", [("cat", 1, 1, 9, 9)] + [("dog", 2, 2, 9, 9)] * (i < 10)) for i in range(50)}
    listing, _ = read_annotated(voc_tree(tmp_path, pages), "detect")
    for seed in range(20):
        dataset = split_listing(listing, val=0.2, seed=seed)
        assert dataset.made == ("train", "val")
        assert (dataset.counts("val"), dataset.counts("train")) == ([10, 2], [40, 8])


def test_copies_stay_on_one_side_though_their_boxes_differ(tmp_path):
    pages = {f"{i:02}": page("", [(("cat", "dog")[i % 2], 1, 1, 9, 9)]) for i in range(40)}
    root = voc_tree(tmp_path, pages)
    for i in range(40):
        photo(root / "JPEGImages" / f"{i:02}.jpg", seed=i // 2)
    dataset, _ = load_dataset(root, val=0.3, task="detect")
    sides = [{sample.path.read_bytes() for sample in dataset.split(side)} for side in ("train", "val")]
    assert not sides[0] & sides[1]
    assert min(map(len, sides)) > 3


def test_other_boxes_are_another_fingerprint(tmp_path):
    root = many(tmp_path, 10)
    before = load_dataset(root, task="detect")[0].fingerprint()
    assert load_dataset(root, task="detect")[0].fingerprint() == before
    store(root / "Annotations/001.xml", page("", [("cat", 1, 1, 9, 8)]))
    assert load_dataset(root, task="detect")[0].fingerprint() != before


def test_a_folder_without_boxes_is_one_line(tmp_path):
    photo(tmp_path / "cat/a.jpg")
    with pytest.raises(
        LayoutError, match="holds no boxes; give a folder in one of these layouts: Pascal VOC"
    ):
        load_dataset(tmp_path, task="detect")
    with pytest.raises(DataError, match="does not exist; give"):
        load_dataset(tmp_path / "gone", task="detect")


@pytest.mark.slow
def test_ten_thousand_annotations_take_seconds(tmp_path):
    photo(tmp_path / "one.jpg")
    things = [("cat", 1, 1, 9, 9)] * 10
    for i in range(10_000):
        store(tmp_path / "Annotations" / f"{i}.xml", page("", things))
        (tmp_path / "JPEGImages").mkdir(exist_ok=True)
        (tmp_path / "JPEGImages" / f"{i}.jpg").hardlink_to(tmp_path / "one.jpg")
    started = time.process_time()
    assert len(voc.read(tmp_path).files["all"]) == 10_000
    assert time.process_time() - started < 10  # 2.2 were measured
