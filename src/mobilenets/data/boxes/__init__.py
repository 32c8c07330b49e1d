"""Boxes on images, in the layouts that they come in."""

from mobilenets.data.boxes import coco, signs, voc, yolo
from mobilenets.data.boxes.drawn import Drawn
from mobilenets.data.layouts import Layouts

WANTED = (
    "a folder in one of these layouts: Pascal VOC (Annotations/*.xml, JPEGImages), COCO (a JSON per split), "
    "YOLO (data.yaml, images, labels)"
)
LAYOUTS: Layouts[Drawn] = Layouts("boxes", WANTED, {"signs": signs, "voc": voc, "coco": coco, "yolo": yolo})
layout_of, read_boxes = LAYOUTS.name, LAYOUTS.read
