import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from mobilenets.arch.preprocess import Preprocess
from mobilenets.base.errors import DataError
from mobilenets.data.preprocess import pixels, read_pixels, resized

DATA = Path(os.environ.get("MOBILENETS_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDS = (
    Preprocess(224, 256),
    Preprocess(224, 232, "bicubic"),
    Preprocess(96, 110),
    Preprocess(224, 224, "bicubic"),
    Preprocess(192, 219),
)


def theirs(record, image):
    """The same pixels through torchvision's own transforms, in the order of its weights' presets."""
    mode = v2.InterpolationMode(record.interpolation)
    steps = (v2.Resize(record.resize, mode), v2.CenterCrop(record.crop), v2.PILToTensor())
    return v2.Compose(steps)(image)


def photographs():
    """Every tenth of the published photographs, as RGB."""
    archive = DATA / "imagenet-sample.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is absent")
    with zipfile.ZipFile(archive) as file:
        for name in sorted(name for name in file.namelist() if name.endswith(".jpg"))[::10]:
            yield Image.open(io.BytesIO(file.read(name))).convert("RGB")


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_photographs_equal_torchvision(record):
    seen = 0
    for image in photographs():
        assert torch.equal(pixels(record, image), theirs(record, image))
        seen += 1
    assert seen == 50


@pytest.mark.parametrize("record", RECORDS, ids=str)
@pytest.mark.parametrize(
    "size",
    [(1, 1), (1, 7), (257, 256), (256, 257), (255, 256), (333, 77), (91, 1003), (640, 481), (232, 232)],
)
def test_odd_sizes_equal_torchvision(record, size):
    width, height = size
    values = np.random.default_rng(size).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(values)
    ours = pixels(record, image)
    assert ours.shape == (3, record.crop, record.crop)
    assert ours.dtype == torch.uint8
    assert torch.equal(ours, theirs(record, image))


def test_the_filter_matters():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    smooth, sharp = (pixels(Preprocess(224, 256, name), image) for name in ("bilinear", "bicubic"))
    assert not torch.equal(smooth, sharp)


def test_resized_keeps_the_aspect():
    assert resized(Preprocess(96, 110), Image.new("RGB", (300, 200))).size == (165, 110)
    assert resized(Preprocess(96, 110), Image.new("RGB", (200, 301))).size == (110, 165)


@pytest.mark.parametrize(("size", "kept"), [((9000, 3), (2200, 110)), ((2, 5000), (110, 2200))])
def test_of_a_strip_the_middle_is_taken(size, kept):
    image = Image.new("RGB", size)
    red = [(0, side) if side == min(size) else (45 * side // 100, 55 * side // 100) for side in size]
    image.paste((255, 0, 0), (red[0][0], red[1][0], red[0][1], red[1][1]))
    assert resized(Preprocess(96, 110), image).size == kept
    assert (pixels(Preprocess(96, 110), image)[0] == 255).all()


def test_files_are_read_upright(tmp_path):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (120, 90, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    record = Preprocess(64, 70)
    read = read_pixels(record, tmp_path / "turned.png")
    assert torch.equal(read, theirs(record, image))
    assert read.is_contiguous()


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("no")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read"):
        read_pixels(Preprocess(64, 70), tmp_path / "a.jpg")
