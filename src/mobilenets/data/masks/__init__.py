"""Masks on images, in the layouts that they come in, and reading one as classes."""

from mobilenets.data.layouts import Layouts
from mobilenets.data.masks import coco, folders, signs, voc
from mobilenets.data.masks.painted import Painted, read_mask

__all__ = ["LAYOUTS", "layout_of", "read_mask", "read_masks"]

WANTED = (
    "a folder with images and masks (below train, val and test, or above them) and a classes.txt or "
    "label_colors.txt, a Pascal VOC tree with SegmentationClass, or COCO JSON with segmentations"
)
LAYOUTS: Layouts[Painted] = Layouts(
    "masks", WANTED, {"signs": signs, "voc": voc, "folders": folders, "coco": coco}
)
layout_of, read_masks = LAYOUTS.name, LAYOUTS.read
