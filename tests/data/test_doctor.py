import json
import os
import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mobilenets.base.errors import DataError, UnknownName
from mobilenets.data.doctor import examine
from mobilenets.data.findings import levels

DATA = Path(os.environ.get("MOBILENETS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def picture(seed, width=64, height=48):
    """A smooth picture unlike that of any other seed."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def write(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


@pytest.fixture
def clean(tmp_path):
    """Two classes of ten sound images, and room for what a test adds."""
    for k, label in enumerate(("cat", "dog")):
        for i in range(10):
            write(picture(100 * k + i), tmp_path / label / f"{i}.jpg")
    return tmp_path


@pytest.fixture
def divided(tmp_path):
    """The same with train, val and test."""
    for s, split in enumerate(("train", "val", "test")):
        for k, label in enumerate(("cat", "dog")):
            for i in range(10):
                write(picture(1000 * s + 100 * k + i), tmp_path / split / label / f"{i}.jpg")
    return tmp_path


def found(source):
    """The id and file of every finding, which must fit on a line each."""
    findings = examine(source)
    assert not any("\n" in text for finding in findings for text in asdict(finding).values())
    return [(finding.id, finding.file) for finding in findings]


@pytest.mark.parametrize("layout", ["clean", "divided"])
def test_nothing_is_found_where_nothing_is(layout, request):
    assert examine(request.getfixturevalue(layout)) == []


def test_corrupt(clean):
    path = write(picture(9999, 300, 300), clean / "dog/cut.jpg")
    path.write_bytes(path.read_bytes()[:-200])
    (clean / "cat/page.png").write_text("<html>not found</html>")
    assert found(clean) == [("corrupt", "cat/page.png"), ("corrupt", "dog/cut.jpg")]


def test_empty_file(clean):
    (clean / "dog/nothing.jpg").touch()
    assert found(clean) == [("empty-file", "dog/nothing.jpg")]


@pytest.mark.parametrize(("width", "height"), [(31, 200), (200, 31)])
def test_tiny(clean, width, height):
    write(picture(9999, width, height), clean / "dog/small.png")
    assert found(clean) == [("tiny", "dog/small.png")]


def test_huge(clean):
    write(Image.new("L", (10_000, 5_001)), clean / "dog/wall.png")
    assert found(clean) == [("huge", "dog/wall.png")]


def test_sizes_just_within_bounds(clean):
    write(picture(9999, 32, 32), clean / "dog/small.png")
    write(Image.new("L", (10_000, 5_000)), clean / "dog/wall.png")
    assert found(clean) == []


def test_wrong_suffix(clean):
    write(picture(9999), clean / "dog/really.jpg", format="PNG")
    assert found(clean) == [("wrong-suffix", "dog/really.jpg")]


def test_not_an_image(clean):
    (clean / "dog/notes.txt").write_text("walked twice")
    assert found(clean) == [("not-an-image", "dog/notes.txt")]


def test_unused(clean):
    write(picture(9999), clean / "loose.jpg")
    assert found(clean) == [("unused", "loose.jpg")]


def test_unused_folder_beside_splits(divided):
    write(picture(9999), divided / "extra/a.jpg")
    assert found(divided) == [("unused", "extra")]


def test_exif_rotated(clean):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(picture(9999), clean / "dog/side.jpg", exif=exif)
    assert found(clean) == [("exif-rotated", "dog/side.jpg")]


def test_cmyk(clean):
    write(picture(9999).convert("CMYK"), clean / "dog/print.jpg")
    assert found(clean) == [("cmyk", "dog/print.jpg")]


def test_sixteen_bit(clean):
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    write(Image.fromarray(ramp), clean / "dog/scan.png")
    assert found(clean) == [("sixteen-bit", "dog/scan.png")]


def test_alpha(clean):
    write(picture(9999).convert("RGBA"), clean / "dog/icon.png")
    assert found(clean) == [("alpha", "dog/icon.png")]


def test_animated(clean):
    write(picture(9999), clean / "dog/run.gif", save_all=True, append_images=[picture(8)])
    assert found(clean) == [("animated", "dog/run.gif")]


def test_duplicate(clean):
    shutil.copy(clean / "dog/3.jpg", clean / "dog/again.jpg")
    assert found(clean) == [("duplicate", "dog/again.jpg")]
    assert "dog/3.jpg" in examine(clean)[0].message


def test_conflicting_label(clean):
    shutil.copy(clean / "cat/3.jpg", clean / "dog/really-cat.jpg")
    assert found(clean) == [("conflicting-label", "dog/really-cat.jpg")]
    assert examine(clean)[0].message.endswith("dog here, cat there")


@pytest.mark.parametrize(("first", "second"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_leak(divided, first, second):
    shutil.copy(divided / first / "dog/3.jpg", divided / second / "dog/seen.jpg")
    assert found(divided) == [("leak", f"{second}/dog/seen.jpg")]


def test_leak_with_another_label(divided):
    shutil.copy(divided / "train/dog/3.jpg", divided / "test/cat/seen.jpg")
    assert found(divided) == [("conflicting-label", "test/cat/seen.jpg"), ("leak", "test/cat/seen.jpg")]


def test_near_duplicate_leak(divided):
    with Image.open(divided / "train/dog/3.jpg") as image:
        brighter = ImageEnhance.Brightness(image).enhance(1.05)
        write(brighter.resize((128, 96)), divided / "test/dog/seen.jpg", quality=60)
    assert found(divided) == [("near-duplicate-leak", "test/dog/seen.jpg")]
    assert examine(divided)[0].message == "looks like train/dog/3.jpg"


def test_plain_images_are_not_taken_for_each_other(divided):
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (50, 1))
    for k, split in enumerate(("train", "test")):
        write(Image.new("RGB", (50, 50), (90 + k, 80, 70)), divided / split / "dog/wall.png")
        write(Image.fromarray(ramp + k), divided / split / "dog/sky.png")
        spot = Image.new("L", (50, 50))
        spot.paste(255, (20, 20 - k, 30, 30 + k))
        write(spot, divided / split / "dog/spot.png")
    assert found(divided) == []


def test_imbalance(clean):
    for i in range(10, 100):
        write(picture(i), clean / "cat" / f"{i}.png")
    assert found(clean) == []
    write(picture(100), clean / "cat/100.png")
    assert found(clean) == [("imbalance", "")]
    assert examine(clean)[0].message == "class cat has 101 images, dog has 10"


def test_few_images(clean):
    (clean / "dog/0.jpg").unlink()
    assert found(clean) == [("few-images", "")]
    assert examine(clean)[0].message == "class dog has 9 images to train on"


def test_one_class(clean):
    shutil.rmtree(clean / "dog")
    assert found(clean) == [("one-class", "")]
    assert "(cat)" in examine(clean)[0].message


def test_empty_class(clean):
    (clean / "eel").mkdir()
    assert found(clean) == [("empty-class", "eel")]


def test_unknown_class(divided):
    write(picture(9998), divided / "test/eel/b.jpg")
    write(picture(9999), divided / "test/eel/a.jpg")
    assert found(divided) == [("unknown-class", "test/eel/a.jpg")]


def test_a_train_split_without_any_image(tmp_path):
    (tmp_path / "train/cat").mkdir(parents=True)
    write(picture(9999), tmp_path / "test/cat/a.jpg")
    assert [finding.id for finding in examine(tmp_path)] == ["empty-class", "one-class", "unknown-class"]


@pytest.mark.parametrize(("name", "printed"), [(b"\xff.jpg", r"\udcff.jpg"), (b"a\nb.jpg", r"a\nb.jpg")])
def test_unreadable_name_of_a_file(clean, name, printed):
    (clean / "dog/9.jpg").rename(clean / "dog" / os.fsdecode(name))
    assert found(clean) == [("unreadable-name", f"dog/{printed}")]


def test_unreadable_name_of_a_class(clean):
    (clean / "dog").rename(clean / os.fsdecode(b"d\xffg"))
    assert found(clean)[:2] == [("unreadable-name", ""), ("unreadable-name", r"d\udcffg/0.jpg")]
    assert r"class name d\udcffg is not valid UTF-8" in examine(clean)[0].message


@pytest.mark.parametrize("twin", ["Cat", "cat ", "CAT"])
def test_class_names_that_look_alike(clean, twin):
    (clean / "dog").rename(clean / twin)
    assert found(clean) == [("unreadable-name", "")]
    message = examine(clean)[0].message
    assert repr(twin) in message
    assert "'cat'" in message


def test_names_in_other_scripts_are_fine(clean):
    (clean / "dog").rename(clean / "کتاب\u200cها")
    (clean / "cat/0.jpg").rename(clean / "cat/猫 🐈.jpg")
    assert found(clean) == []


def test_a_layout_that_cannot_be_made_out(tmp_path):
    write(picture(9999), tmp_path / "a.jpg")
    (finding,) = examine(tmp_path)
    assert (finding.id, finding.level, finding.file) == ("layout", "error", "")
    assert "no class folders" in finding.message
    assert "FOLDER/CLASS/IMAGE" in finding.fix


def test_a_missing_source_is_an_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        examine(tmp_path / "gone")


def test_csv_files_are_examined(clean):
    (clean / "dog/nothing.jpg").touch()
    rows = [f"{path.relative_to(clean)},{path.parent.name}" for path in sorted(clean.rglob("*.jpg"))]
    (clean / "labels.csv").write_text("\n".join(["path,label", *rows]))
    assert found(clean / "labels.csv") == [("empty-file", "dog/nothing.jpg")]


def test_errors_come_first_and_all_is_json(clean):
    (clean / "dog/nothing.jpg").touch()
    (clean / "dog/notes.txt").touch()
    write(picture(9999).convert("RGBA"), clean / "cat/icon.png")
    findings = examine(clean)
    assert [finding.level for finding in findings] == ["error", "warning", "note"]
    assert levels(findings) == {"error": 1, "warning": 1, "note": 1}
    assert json.loads(json.dumps([asdict(finding) for finding in findings]))[0]["id"] == "empty-file"


def test_photographs_as_published_are_clean(tmp_path):
    archive = DATA / "cifar10.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is absent")
    with zipfile.ZipFile(archive) as file:
        wanted = tuple(f"/00{i}.jpg" for i in range(10, 40))
        file.extractall(tmp_path, [name for name in file.namelist() if name.endswith(wanted)])
    assert examine(tmp_path / "cifar10") == []


# Boxes and masks: what reading them remarks is in test_boxes.py and test_masks.py


def boxes_of(root, texts, splits=("train", "val")):
    """A YOLO set: splits, and in each one image per text."""
    for k, split in enumerate(splits):
        for i, text in enumerate(texts):
            write(picture(1000 * k + i), root / f"images/{split}/{i}.jpg")
            label = root / f"labels/{split}/{i}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text)
    lines = "".join(f"{split}: images/{split}\n" for split in splits)
    (root / "data.yaml").write_text(f"{lines}names: [cat, dog, eel]\n")
    return root


LINES = "0 0.5 0.5 0.25 0.25\n1 0.25 0.25 0.5 0.5\n"


@pytest.mark.parametrize("task", [None, "detect"])
def test_boxes_are_counted_per_class(task, tmp_path):
    boxes_of(tmp_path, [LINES] * 10 + [""])
    findings = {finding.id: finding for finding in examine(tmp_path, task)}
    assert findings.keys() == {"few-images", "no-box"}
    assert findings["few-images"].message == "class eel has 0 boxes to train on"
    assert findings["no-box"].message == "2 of 22 images have no box"
    boxes_of(tmp_path, [LINES + "2 0.5 0.5 1 1\n"] * 11)
    assert examine(tmp_path, task) == []


def test_lopsided_boxes(tmp_path):
    many = "".join(f"0 0.5 0.5 0.{i:03} 0.5\n" for i in range(1, 12))
    boxes_of(tmp_path, [many + LINES + "2 0.5 0.5 1 1"] * 10)
    (finding,) = examine(tmp_path)
    assert (finding.id, finding.message) == ("imbalance", "class cat has 120 boxes, eel has 10")


def test_copies_between_splits_and_copies_with_other_boxes(tmp_path):
    boxes_of(tmp_path, [LINES + "2 0.5 0.5 1 1"] * 10)
    for split, name in (("val", "3"), ("train", "4")):
        shutil.copy(tmp_path / "images/train/2.jpg", tmp_path / f"images/{split}/{name}.jpg")
    (tmp_path / "labels/train/4.txt").write_text("0 0.5 0.5 0.9 0.9\n2 0.5 0.5 1 1\n1 0.5 0.5 0.2 0.2\n")
    assert found(tmp_path) == [("conflicting-label", "images/train/4.jpg"), ("leak", "images/val/3.jpg")]


def test_broken_images_and_wrong_lines_of_boxes(tmp_path):
    boxes_of(tmp_path, [LINES + "2 0.5 0.5 1 1"] * 12)
    (tmp_path / "images/train/0.jpg").write_text("not found")
    (tmp_path / "labels/train/1.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    exif = Image.Exif()
    exif[0x0112] = 6
    write(picture(9999), tmp_path / "images/val/3.jpg", exif=exif)
    assert found(tmp_path) == [
        ("class-list", "labels/train/1.txt"),
        ("corrupt", "images/train/0.jpg"),
        ("exif-rotated", "images/val/3.jpg"),
    ]


def test_masks_are_counted_per_class(tmp_path):
    """What is on most masks is no lopsided class; a class on none is named."""
    mask = np.zeros((48, 64), np.uint8)
    for i in range(40):
        mask[:8] = i < 15
        write(picture(i), tmp_path / f"images/{i}.jpg")
        write(Image.fromarray(mask), tmp_path / f"masks/{i}.png")
    (tmp_path / "classes.txt").write_text("ground\ncat\ndog\n")
    (finding,) = examine(tmp_path)
    assert (finding.id, finding.message) == ("few-images", "class dog has 0 masks to train on")


def test_a_task_that_the_layout_is_not_for(clean):
    (finding,) = examine(clean, "detect")
    assert finding.id == "layout"
    assert "holds no boxes" in finding.message
    with pytest.raises(UnknownName, match="no task 'detekt'; did you mean detect"):
        examine(clean, "detekt")
    with pytest.raises(DataError, match="does not exist"):
        examine(clean / "gone", "segment")


@pytest.mark.parametrize("name", ["_annotations.coco.json", "data.yaml"])
def test_a_broken_index_is_a_finding(name, tmp_path):
    write(picture(0), tmp_path / "a.jpg")
    (tmp_path / name).write_text("names: {")
    (finding,) = examine(tmp_path)
    assert finding.id == "layout"
    assert "cannot be read as" in finding.message
