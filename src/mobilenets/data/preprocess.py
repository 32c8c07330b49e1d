"""The preprocessing record, executed: the one place where an image becomes a network's pixels."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop, pil_to_tensor

from mobilenets.arch.preprocess import Preprocess
from mobilenets.data.images import open_rgb

LONGEST = 20  # times the shorter side: more of a strip is not kept, or a line of pixels would fill the memory
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resized(record: Preprocess, image: Image.Image) -> Image.Image:
    """The image scaled so that its shorter side has `record.resize` pixels; the longer is rounded down.

    Where the record stretches, both sides have them. Equal to torchvision's `Resize` on PIL images, whose
    antialiasing is Pillow's. Of a strip whose sides differ by more than LONGEST the middle is taken.
    """
    if record.fit == "stretch":
        return image.resize((record.resize, record.resize), FILTERS[record.interpolation])
    image = _without_ends(image)
    width, height = image.size
    longer = int(record.resize * max(width, height) / min(width, height))
    size = (longer, record.resize) if width > height else (record.resize, longer)
    return image.resize(size, FILTERS[record.interpolation])


def _without_ends(image: Image.Image) -> Image.Image:
    """The middle of a strip that is too long; any other image as it is."""
    width, height = image.size
    most = LONGEST * min(width, height)
    if max(width, height) <= most:
        return image
    left, top = max(0, width - most) // 2, max(0, height - most) // 2
    return image.crop((left, top, left + min(width, most), top + min(height, most)))


def cropped(record: Preprocess, pixels: Tensor) -> Tensor:
    """The centre square (..., crop, crop) of resized pixels (..., H, W)."""
    square: Tensor = center_crop(pixels, [record.crop, record.crop])
    return square


def pixels(record: Preprocess, image: Image.Image) -> Tensor:
    """What the network sees of an RGB image: uint8 (3, crop, crop), before normalisation."""
    return cropped(record, pil_to_tensor(resized(record, image)))


def read_pixels(record: Preprocess, path: Path) -> Tensor:
    """`pixels` of an image file. Raises DataError when it cannot be decoded."""
    return pixels(record, open_rgb(path)).contiguous(memory_format=torch.contiguous_format)
