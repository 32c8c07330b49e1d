"""Pictures for small data sets with boxes or masks."""

import numpy as np
from PIL import Image

ORIENTATION = 0x0112  # of EXIF


def photo(path, size=(64, 48), seed=0, orientation=1):
    """A picture unlike that of any other seed, stored `size` pixels wide and high, perhaps rotated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC).save(path, exif=exif)
    return path
