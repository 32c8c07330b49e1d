"""Decoding and NMS of a detector as nodes of ONNX, with the outputs of TFLite_Detection_PostProcess."""

from typing import Any

import torch

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.base.errors import needs
from mobilenets.tasks.detect import Rules
from mobilenets.tasks.detect.coder import WEIGHTS, flipped

with needs("onnx", "onnx"):
    from onnx import compose, numpy_helper, parser

# Places that nothing was found for are filled: before the best are taken, K empty rows are put behind.
GRAPH = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
nms (float[1, {n}, 4] offsets_in, float[1, {n}, {c}] scores_in)
    => (float[1, {k}, 4] boxes, float[1, {k}] classes, float[1, {k}] scores, float[1] count)
<int64[1] zero = {{0}}, int64[1] one = {{1}}, int64[1] two = {{2}}, int64[1] three = {{3}},
 int64[1] four = {{4}}, int64[1] all = {{-1}}, int64[1] most = {{{k}}}, int64[1] each = {{{k}}},
 float half = {{0.5}}, float[1] iou = {{{iou}}}, float[1] score = {{{score}}},
 int64[4] rows = {{0, 0, {k}, 0}}, int64[2] padding = {{0, {k}}}>
{{
    moves = Div(offsets_in, weights)
    shifts = Slice(moves, zero, two, two)
    sizes = Slice(moves, two, four, two)
    middle_moved = Mul(shifts, sides)
    middle = Add(middle_moved, middles)
    grown = Exp(sizes)
    whole = Mul(grown, sides)
    halves = Mul(whole, half)
    low = Sub(middle, halves)
    high = Add(middle, halves)
    decoded = Concat <axis = 2> (low, high)
    by_class = Transpose <perm = [0, 2, 1]> (scores_in)
    chosen = NonMaxSuppression (decoded, by_class, each, iou, score)
    label = Slice(chosen, one, two, one)
    anchor = Slice(chosen, two, three, one)
    label_flat = Reshape(label, all)
    anchor_flat = Reshape(anchor, all)
    place = Concat <axis = 1> (label, anchor)
    table = Squeeze(by_class, zero)
    found = GatherND(table, place)
    found_filled = Pad(found, padding, minus)
    best, order = TopK <axis = 0> (found_filled, most)
    labels_float = Cast <to = 1> (label_flat)
    labels_filled = Pad(labels_float, padding, nothing)
    classes_flat = Gather(labels_filled, order)
    boxes_all = Squeeze(decoded, zero)
    boxes_found = Gather(boxes_all, anchor_flat)
    boxes_filled = Pad(boxes_found, rows, nothing)
    boxes_flat = Gather(boxes_filled, order)
    held = GreaterOrEqual(best, nothing)
    held_float = Cast <to = 1> (held)
    count = ReduceSum <keepdims = 1> (held_float, zero)
    scores_flat = Relu(best)
    scores = Unsqueeze(scores_flat, zero)
    classes = Unsqueeze(classes_flat, zero)
    boxes = Unsqueeze(boxes_flat, zero)
}}
"""


def followed(model: Any, card: Card, rules: Rules) -> Any:
    """The plain detector `model` (offsets and scores) with boxes, classes, scores and count in their place.

    Boxes (1, K, 4) are y1, x1, y2, x2 as shares of the sides, not clipped; places without a box are 0.
    """
    boxes = torch.tensor(anchors(card.arch))
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    text = GRAPH.format(
        ir=model.ir_version,
        opset=opset,
        n=len(boxes),
        c=len(card.labels),
        k=rules.detections,
        iou=rules.iou,
        score=f"{rules.score:.10f}",
    )
    tail = parser.parse_model(text)
    constants = {
        "weights": flipped(torch.tensor(WEIGHTS)),
        "middles": flipped(boxes)[None, :, :2],
        "sides": flipped(boxes)[None, :, 2:],
        "minus": torch.tensor(-1.0),
        "nothing": torch.tensor(0.0),
    }
    tail.graph.initializer.extend(
        numpy_helper.from_array(value.contiguous().numpy(), name) for name, value in constants.items()
    )
    tail = compose.add_prefix(tail, "nms/", rename_inputs=False, rename_outputs=False)
    joints = {"offsets": "offsets_in", "scores": "scores_in"}
    _rename(model.graph, {name: f"raw/{name}" for name in joints})
    return compose.merge_models(model, tail, [(f"raw/{name}", into) for name, into in joints.items()])


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Call values of a graph otherwise: the names of outputs are wanted for what follows."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
