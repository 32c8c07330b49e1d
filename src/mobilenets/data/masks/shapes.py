"""Outlines and run lengths, filled as COCO fills them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mobilenets.data.dataset import Shape


def filled(shapes: Sequence[Shape], rest: int, width: int, height: int) -> np.ndarray:
    """The class of every pixel, uint8 (height, width), `rest` where there is no shape.

    Where shapes overlap, the smaller lies in front.
    """
    # at first use: it brings OpenCV along where that is installed
    from faster_coco_eval.core import mask as coco_mask

    classes = np.full((height, width), rest, np.uint8)
    # run lengths until each is drawn: the pixels of hundreds of shapes do not fit in memory
    runs = [(shape.label, run_lengths(shape, width, height)) for shape in shapes]
    for label, runs_of in sorted(runs, key=lambda pair: -int(coco_mask.area(pair[1]))):
        classes[coco_mask.decode(runs_of).astype(bool)] = label
    return classes


def run_lengths(shape: Shape, width: int, height: int) -> dict[str, Any]:
    """The pixels of a shape as COCO's run lengths. Raises ValueError, RuntimeError when it does not fit."""
    from faster_coco_eval.core import mask as coco_mask

    if shape.polygons:
        reach = 2 * max(width, height)  # of the time and memory that filling takes
        if any(not -reach <= value <= 2 * reach for polygon in shape.polygons for value in polygon):
            raise ValueError(f"its outline leads far outside the image of {width}x{height}")
        outlines = [list(polygon) for polygon in shape.polygons]
        runs = coco_mask.merge(coco_mask.frPyObjects(outlines, height, width))
    elif isinstance(shape.runs, str):
        runs = {"size": [height, width], "counts": shape.runs.encode()}
    else:
        if sum(shape.runs) != width * height or min(shape.runs, default=0) < 0:
            raise ValueError(f"its runs cover {sum(shape.runs)} pixels of {width * height}")
        runs = coco_mask.frPyObjects({"size": [height, width], "counts": list(shape.runs)}, height, width)
    return dict(runs)


def encoded(pixels: np.ndarray) -> dict[str, Any]:
    """A region, bool (H, W), as an annotation of COCO has it: run lengths, area, box."""
    from faster_coco_eval.core import mask as coco_mask

    runs = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    box = [float(value) for value in coco_mask.toBbox(runs)]
    segmentation = {"size": [int(side) for side in pixels.shape], "counts": runs["counts"].decode()}
    return {"segmentation": segmentation, "area": int(pixels.sum()), "bbox": box, "iscrowd": 0}
