"""Detection: the coder of boxes, matching, losses, decoding and its rules, average precision."""

from mobilenets.tasks.detect.coder import decode, encode, flipped
from mobilenets.tasks.detect.losses import focal_loss, multibox_loss
from mobilenets.tasks.detect.matching import match
from mobilenets.tasks.detect.precision import confusion, mean_average_precision
from mobilenets.tasks.detect.reading import RULES, Detections, Rules, detections, from_file

__all__ = [
    "RULES",
    "Detections",
    "Rules",
    "confusion",
    "decode",
    "detections",
    "encode",
    "flipped",
    "focal_loss",
    "from_file",
    "match",
    "mean_average_precision",
    "multibox_loss",
]
