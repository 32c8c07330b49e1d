import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pycocotools.mask as judge
import pytest
from annotated import ORIENTATION, photo
from PIL import Image, ImageOps

from mobilenets.base.errors import DataError
from mobilenets.data.dataset import IGNORED, UNKNOWN, Shape
from mobilenets.data.doctor import examine
from mobilenets.data.findings import errors, told
from mobilenets.data.images import Facts
from mobilenets.data.listing import LayoutError
from mobilenets.data.load import load_dataset, read_annotated
from mobilenets.data.masks import layout_of, read_mask, read_masks
from mobilenets.data.masks.coding import by_value, read_classes
from mobilenets.data.masks.painted import PALETTE, Painted, settle, turned
from mobilenets.data.masks.shapes import filled
from mobilenets.data.survey import survey

DATA = Path(os.environ.get("MOBILENETS_DATA", Path(__file__).parents[3] / "shared" / "data"))
BLOCKS = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((24, 32), np.uint8))  # 64 wide, 48 high


def save(path, mask, palette=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    if palette:
        image.putpalette(palette)
    image.save(path, **options)
    return path


def folders(root, masks, names="sky\nroad\ncar\n", place="{kind}/{name}"):
    """Images and masks by name, with a class list."""
    for i, (name, mask) in enumerate(masks.items()):
        photo(root / place.format(kind="images", name=f"{name}.jpg"), seed=i)
        save(root / place.format(kind="masks", name=f"{name}.png"), mask)
    (root / "classes.txt").write_text(names, encoding="utf-8")
    return root


def only(root):
    """The one sample of a source."""
    listing, findings = read_annotated(root, "segment")
    assert not errors(findings)
    (sample,) = (sample for samples in listing.files.values() for sample in samples)
    return listing, sample


def remarks(source):
    found = survey("segment", source).findings
    assert all("\n" not in f"{one.message}{one.file}{one.fix}" and one.fix for one in found)
    return [(one.id, one.level, one.file) for one in found]


def test_masks_by_folder(tmp_path):
    listing, sample = only(folders(tmp_path, {"a": BLOCKS}))
    assert listing.labels == ("sky", "road", "car")
    assert (sample.width, sample.height, sample.pixels, sample.classes) == (
        64,
        48,
        (1536, 768, 768),
        (0, 1, 2),
    )
    assert np.array_equal(read_mask(sample), BLOCKS)
    assert read_mask(sample).dtype == np.uint8


@pytest.mark.parametrize("place", ["train/{kind}/{name}", "{kind}/train/{name}"])
@pytest.mark.parametrize("ending", ["", "_mask", "_L"])
def test_splits_stand_below_or_above_and_masks_may_have_an_ending(place, ending, tmp_path):
    root = folders(tmp_path, {"a": BLOCKS}, place=place)
    mask = root / place.format(kind="masks", name="a.png")
    mask.rename(mask.with_name(f"a{ending}.png"))
    assert layout_of(root) == "folders"
    assert list(read_masks(root).files) == ["train"]
    assert np.array_equal(read_mask(only(root)[1]), BLOCKS)


def test_void_by_name_by_255_and_by_the_value_past_the_list(tmp_path):
    mask = BLOCKS.copy()
    mask[:4, :4], mask[4:8, :4], mask[8:12, :4] = 255, 3, 1
    listing, sample = only(folders(tmp_path, {"a": mask}, "sky\nvoid\ncar\n"))
    assert listing.labels == ("sky", "car")
    read = read_mask(sample)
    assert set(np.unique(read[mask == 1])) == {IGNORED}
    assert (read[:8, :4] == IGNORED).all()
    assert (read[mask == 2] == 1).all()
    assert remarks(tmp_path) == [("mask-void", "warning", "masks/a.png")]
    assert any("is background missing" in line for line in told(read_annotated(tmp_path, "segment")[1]))


@pytest.mark.parametrize(
    ("text", "labels", "colours"),
    [
        ("sky\nroad\n", ("sky", "road"), ()),
        ("0: sky\n1: road\n", ("sky", "road"), ()),
        ("0 sky\n1 the road\n", ("sky", "the road"), ()),
        ("255 0 0\tsky\n0 0 255\troad\n", ("sky", "road"), ((255, 0, 0), (0, 0, 255))),
        (
            "# label:color_rgb:parts\nsky:255,0,0::\nroad:0,0,255::\n",
            ("sky", "road"),
            ((255, 0, 0), (0, 0, 255)),
        ),
        (
            "9 0 0 sky\n0 0 9 road\n1 1 1 road\n0 0 0 Void\n",
            ("sky", "road"),
            ((9, 0, 0), (0, 0, 9), (1, 1, 1), (0, 0, 0)),
        ),
    ],
)
def test_class_lists(text, labels, colours, tmp_path):
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    classes = read_classes(tmp_path / "list.txt")
    assert (classes.labels, classes.coding.colours) == (labels, colours)


def test_a_class_list_with_a_heading(tmp_path):
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nsky,255,0,0\nroad,0,0,255\n")
    assert read_classes(tmp_path / "class_dict.csv").labels == ("sky", "road")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "names no class"),
        ("sky\nsky\n", "names the class 'sky' twice"),
        ("300 0 0 sky\n", "a colour beyond 255"),
        ("1 0 0 sky\n1 0 0 road\n", "has a colour twice"),
        ("".join(f"class {i}\n" for i in range(254)), "names 254 classes; masks can tell 253 apart"),
    ],
)
def test_class_lists_that_do_not_serve(text, expected, tmp_path):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(LayoutError) as caught:
        read_classes(tmp_path / "classes.txt")
    assert expected in str(caught.value)


def test_a_palette_of_colours(tmp_path):
    colours = np.array([(255, 0, 0), (0, 0, 255), (9, 9, 9)], np.uint8)
    root = folders(tmp_path, {"a": colours[BLOCKS]})
    (root / "classes.txt").unlink()
    (root / "label_colors.txt").write_text("255 0 0 sky\n9 9 9 void\n0 0 255 road\n")
    listing, sample = only(root)
    assert listing.labels == ("sky", "road")
    assert np.array_equal(read_mask(sample), np.array([0, 1, IGNORED], np.uint8)[BLOCKS])
    save(root / "masks/a.png", BLOCKS, palette=[int(value) for value in colours.ravel()])
    assert np.array_equal(read_mask(only(root)[1]), np.array([0, 1, IGNORED], np.uint8)[BLOCKS])
    wrong = colours[BLOCKS]
    wrong[:6, :32] = (1, 2, 3)
    save(root / "masks/a.png", wrong)
    save(root / "masks/b.png", colours[BLOCKS])
    photo(root / "images/b.jpg", seed=5)
    (finding,) = survey("segment", root).findings
    assert finding.message == "has colours outside the class list: (1, 2, 3): 6.2 %"


@pytest.mark.parametrize(
    ("spoil", "kind", "expected"),
    [
        (lambda mask: np.where(mask == 2, 9, mask), "mask-values", "values outside the class list: 9: 25 %"),
        (lambda mask: np.where(mask > 0, mask + 6, mask), "mask-values", "7: 25 %, 8: 25 %"),
        (lambda mask: mask.astype(np.uint16) * 300, "mask-values", "300: 25 %, 600: 25 %"),
        (lambda mask: mask[:40], "mask-size", "has 64x40 pixels, its image a.jpg has 64x48"),
        (lambda mask: mask.astype(np.float32), "mask-mode", "holds fractions"),
        (lambda mask: np.stack([mask, mask, 2 * mask], 2), "mask-mode", "is in colour (RGB), the class list"),
    ],
)
def test_masks_that_cannot_be_read_are_named(spoil, kind, expected, tmp_path):
    root = folders(tmp_path, {"a": BLOCKS, "b": BLOCKS})
    suffix = "tiff" if kind == "mask-mode" else "png"
    (root / "masks/a.png").unlink()
    spoiled = np.ascontiguousarray(spoil(BLOCKS))
    save(root / f"masks/a.{suffix}", spoiled.astype(np.uint8) if spoiled.dtype == np.int64 else spoiled)
    (finding,) = survey("segment", root).findings
    assert (finding.id, finding.level, finding.file) == (kind, "error", f"masks/a.{suffix}")
    assert expected in finding.message
    assert finding.fix


def test_a_mask_in_palette_mode_is_read_by_its_numbers(tmp_path):
    root = folders(tmp_path, {"a": BLOCKS})
    save(root / "masks/a.png", BLOCKS, palette=[200, 0, 0, 0, 200, 0, 0, 0, 200])
    assert Image.open(root / "masks/a.png").mode == "P"
    assert np.array_equal(read_mask(only(root)[1]), BLOCKS)
    assert remarks(root) == [("mask-mode", "note", "masks/a.png")]


@pytest.mark.parametrize("mode", ["1", "RGB", "LA"])
def test_other_modes_that_hold_numbers(mode, tmp_path):
    grey = Image.fromarray((BLOCKS > 0).astype(np.uint8))
    root = folders(tmp_path, {"a": grey.point(lambda v: 255 * v, "1") if mode == "1" else grey.convert(mode)})
    assert np.array_equal(read_mask(only(root)[1]), BLOCKS > 0)


def test_a_cut_mask_and_what_is_missing(tmp_path):
    root = folders(tmp_path, dict.fromkeys("abcd", BLOCKS))
    cut = root / "masks/a.png"
    cut.write_bytes(cut.read_bytes()[:60])
    (root / "masks/b.png").unlink()
    (root / "images/c.jpg").unlink()
    assert sorted(remarks(root)) == [
        ("mask-corrupt", "error", "masks/a.png"),
        ("missing-image", "error", "masks/c.png"),
        ("unannotated", "warning", "images/b.jpg"),
    ]


def test_sets_that_cannot_be_read(tmp_path):
    root = folders(tmp_path / "a", {"a": BLOCKS})
    (root / "classes.txt").unlink()
    with pytest.raises(LayoutError, match="has masks and no class list"):
        load_dataset(root, task="segment")
    with pytest.raises(LayoutError, match="has the one class 'sky'"):
        load_dataset(folders(tmp_path / "b", {"a": BLOCKS}, "sky\n"), task="segment")
    photo(tmp_path / "c/cat/a.jpg")
    with pytest.raises(LayoutError, match="holds no masks; give a folder with images and masks"):
        load_dataset(tmp_path / "c", task="segment")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("as_stored", [True, False])
def test_masks_turn_as_pillow_turns_the_image(orientation, as_stored, tmp_path):
    """A mask of the stored image is turned with it; one of the upright image stays."""
    stored = np.random.default_rng(orientation).integers(0, 3, (48, 64), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    save(tmp_path / "x.png", stored, exif=exif)
    with Image.open(tmp_path / "x.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(turned(stored, orientation), upright)
    quarter = orientation >= 5
    root = folders(tmp_path, {"a": stored if as_stored and quarter else upright})
    photo(root / "images/a.jpg", orientation=orientation)
    _, sample = only(root)
    assert (sample.turn, sample.height) == (
        orientation if as_stored and quarter else 1,
        64 if quarter else 48,
    )
    assert np.array_equal(read_mask(sample), upright)


def test_voc_masks(tmp_path):
    mask = BLOCKS.copy()
    mask[0], mask[1] = 255, 20
    for i, name in enumerate("abc"):
        photo(tmp_path / "JPEGImages" / f"{name}.jpg", seed=i)
        save(tmp_path / "SegmentationClass" / f"{name}.png", mask, PALETTE)
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\n")
    listing, left_out = read_annotated(tmp_path, "segment")
    assert (listing.labels[0], listing.labels[15], len(listing.labels), left_out) == (
        "background",
        "person",
        21,
        [],
    )
    assert {split: [one.path.stem for one in samples] for split, samples in listing.files.items()} == {
        "train": ["a"], "val": ["b"],
    }  # fmt: skip
    assert np.array_equal(read_mask(listing.files["val"][0]), mask)
    assert remarks(tmp_path) == []
    assert PALETTE[3 * 15 : 3 * 16] == [192, 128, 128]


# COCO


def coco(root, segmentations, size=(64, 48), names=("cat", "dog")):
    """One image with a shape per (category, segmentation)."""
    photo(root / "a.jpg", size)
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": category, "bbox": [0, 0, 1, 1], "segmentation": shape}
            for i, (category, shape) in enumerate(segmentations)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
    }
    (root / "_annotations.coco.json").write_text(json.dumps(content))
    return root


SQUARE = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]
INNER = [15.5, 15.5, 20.2, 15.5, 20.2, 20.7, 15.5, 20.7]


def test_coco_outlines_and_runs_are_filled_as_pycocotools_fills_them(tmp_path):
    blob = np.zeros((48, 64), np.uint8)
    blob[40:46, 40:60] = 1
    runs = judge.encode(np.asfortranarray(blob))
    plain = [int(n) for n in np.diff([0, *np.flatnonzero(np.diff(blob.ravel("F"), prepend=0)), blob.size])]
    for coded in (runs["counts"].decode(), plain):
        root = coco(
            tmp_path,
            [(2, [INNER]), (1, [SQUARE, [1, 1, 5, 1, 5, 5]]), (2, {"size": [48, 64], "counts": coded})],
        )
        listing, sample = only(root)
        assert listing.labels == ("background", "cat", "dog")
        expected = judge.decode(judge.merge(judge.frPyObjects([SQUARE, [1, 1, 5, 1, 5, 5]], 48, 64)))
        expected[judge.decode(judge.merge(judge.frPyObjects([INNER], 48, 64))) > 0] = 2
        expected[blob > 0] = 2
        assert np.array_equal(read_mask(sample), expected)
        assert len(np.unique(expected)) == 3


def test_coco_random_outlines_are_filled_as_pycocotools_fills_them():
    rng = np.random.default_rng(3)
    for _ in range(50):
        points = tuple(map(float, rng.uniform(-10, 70, 2 * rng.integers(3, 9))))
        ours = filled([Shape(1, polygons=(points,))], 0, 64, 48).astype(bool)
        theirs = judge.decode(judge.merge(judge.frPyObjects([list(points)], 48, 64)))
        assert np.array_equal(ours, theirs)


def test_coco_that_lists_background_keeps_its_place(tmp_path):
    listing, sample = only(coco(tmp_path, [(1, [SQUARE])], names=("cat", "background")))
    assert listing.labels == ("cat", "background")
    assert read_mask(sample)[0, 0] == 1
    assert read_mask(sample)[15, 15] == 0


@pytest.mark.parametrize(
    "shape",
    [
        None, [], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]], [[1, 2, 3, 4, 5, "6"]], [1, 2, 3, 4, 5, 6],
        {"counts": [-1, 5]},
        {"counts": [5, 5]}, {"counts": "ßß"}, {"counts": "zzzz"}, {"counts": ""}, {"size": [1, 1]},
        [[0, 0, 1e12, 0, 5, 5]], [[0, 0, float("nan"), 0, 5, 5]],
    ],
)  # fmt: skip
def test_coco_shapes_that_cannot_be(shape, tmp_path):
    root = coco(tmp_path, [(1, shape)])
    content = json.loads((root / "_annotations.coco.json").read_text())
    photo(root / "b.jpg", seed=4)
    content["images"].append({"id": 2, "file_name": "b.jpg", "width": 64, "height": 48})
    content["annotations"].append({"id": 99, "image_id": 2, "category_id": 1, "segmentation": [SQUARE]})
    (root / "_annotations.coco.json").write_text(json.dumps(content))
    assert remarks(root) == [("broken-annotation", "error", "a.jpg")]


def test_coco_shapes_drawn_on_the_stored_image_are_turned(tmp_path):
    root = coco(tmp_path, [(1, [SQUARE])])
    before = read_mask(only(root)[1])
    photo(root / "a.jpg", orientation=6)
    assert np.array_equal(read_mask(only(root)[1]), np.rot90(before, -1))


def test_smaller_shapes_lie_in_front():
    shapes = (Shape(2, polygons=(tuple(INNER),)), Shape(1, polygons=(tuple(SQUARE),)))
    first, second = filled(shapes, 0, 64, 48), filled(shapes[::-1], 0, 64, 48)
    assert np.array_equal(first, second)
    assert first[18, 18] == 2


# Reading again, loading


def test_a_mask_that_changed_is_one_line(tmp_path):
    _, sample = only(folders(tmp_path, {"a": BLOCKS}))
    save(sample.mask, BLOCKS[:20])
    with pytest.raises(DataError, match="has 64x20 pixels now, not 64x48"):
        read_mask(sample)
    save(sample.mask, BLOCKS + 90)
    with pytest.raises(DataError, match="has values outside the class list: 90: 50 %"):
        read_mask(sample)
    sample.mask.unlink()
    with pytest.raises(DataError, match="cannot be read as an image"):
        read_mask(sample)


def test_values_of_no_class_are_marked():
    coding = by_value(["a", "void", "b"], Path("x")).coding
    assert list(coding.table[:4]) == [0, IGNORED, 1, UNKNOWN]
    assert coding.table[255] == IGNORED
    painted = Painted(Path("a"), "a", Path("gone"), coding)
    sample, (finding,) = settle(painted, Facts(Path("a"), 1, width=4, height=4), 2)
    assert (sample, finding.id) == (None, "mask-corrupt")


def test_few_bad_masks_are_left_out_and_many_refused(tmp_path):
    root = folders(tmp_path, {f"{i:02}": BLOCKS for i in range(40)})
    for i in range(3):
        dataset, left_out = load_dataset(root, task="segment")
        assert (len(dataset.train) + len(dataset.val), len(left_out)) == (40 - i, i)
        save(root / f"masks/{i:02}.png", BLOCKS + 90)
    assert dataset.made == ("train", "val")
    with pytest.raises(
        DataError, match=r"3 of 40 images cannot be used \(7\.5 %; .*first: masks/00\.png, has values"
    ):
        load_dataset(root, task="segment")


def test_masks_of_nothing_and_255_are_refused(tmp_path):
    one = np.where(BLOCKS > 0, 255, 0).astype(np.uint8)
    root = folders(tmp_path, {f"{i}": one for i in range(4)}, names="background\nthing\n")
    with pytest.raises(LayoutError, match=r"show no class but 'background'; .*255 means no class") as caught:
        load_dataset(root, task="segment")
    assert "\n" not in str(caught.value)
    assert ("one-class", "error") in [(one.id, one.level) for one in examine(root, "segment")]


def test_another_mask_is_another_fingerprint(tmp_path):
    root = folders(tmp_path, {f"{i:02}": BLOCKS for i in range(4)})
    before = load_dataset(root, task="segment")[0].fingerprint()
    assert load_dataset(root, task="segment")[0].fingerprint() == before
    save(root / "masks/00.png", np.maximum(BLOCKS, 1))
    assert load_dataset(root, task="segment")[0].fingerprint() != before


@pytest.mark.slow
def test_a_published_data_set_is_read_as_its_files_say(tmp_path):
    if not (DATA / "camvid.zip").exists():
        pytest.skip(f"{DATA / 'camvid.zip'} is not there")
    with zipfile.ZipFile(DATA / "camvid.zip") as archive:
        archive.extractall(tmp_path)
    dataset, findings = load_dataset(tmp_path / "camvid", task="segment")
    assert [len(dataset.split(split)) for split in ("train", "val", "test")] == [367, 101, 233]
    assert (len(dataset.labels), [(one.id, one.level) for one in findings]) == (
        11,
        [("mask-void", "warning")],
    )
    for sample in dataset.test[:20]:
        raw = np.asarray(Image.open(sample.mask))
        assert np.array_equal(read_mask(sample), np.where(raw == 11, IGNORED, raw))
