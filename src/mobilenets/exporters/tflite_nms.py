"""Decoding and NMS of a detector as TFLite_Detection_PostProcess, right on several threads too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flatbuffers import flexbuffers

from mobilenets.base.errors import needs
from mobilenets.exporters.tflite import add_operator, add_tensor
from mobilenets.runtimes.litert import NMS
from mobilenets.tasks.detect import Rules

with needs("ai-edge-litert", "litert"):
    from ai_edge_litert import schema_py_generated as schema

# On T > 1 threads the operation leaves out the class with index T: its workers take 0 to T - 1, then count on
# before they take the next (tensorflow/lite/kernels/detection_postprocess.cc, NonMaxSuppressionWorkerTask;
# tensorflow/tensorflow#56058). So many classes without a score stand before ours, for up to one thread less.
SPARE = 17


@dataclass(frozen=True)
class Decoding:
    """What the operation needs to know: anchors (N, 4) as cy, cx, h, w in shares of the sides; the divisors
    of dy, dx, dh, dw; how many classes; the rules.
    """

    anchors: np.ndarray
    scales: Sequence[float]
    classes: int
    rules: Rules

    @property
    def most(self) -> int:
        """The most boxes of an image."""
        assert self.rules.detections is not None
        return self.rules.detections

    @property
    def spare(self) -> int:
        """How many spare classes are needed: of two, no number of threads leaves one out."""
        return SPARE if self.classes > 2 else 0


def follow(model: schema.ModelT, decoding: Decoding, names: Sequence[str]) -> None:
    """Let decoding and NMS follow, which take the two outputs of the model and give four, called `names`.

    The outputs must be offsets (1, N, 4) as dy, dx, dh, dw, times `scales`, and scores (1, N, classes).
    Given are boxes (1, K, 4) as y1, x1, y2, x2, shares of the sides, classes and scores (1, K) and the count
    (1,), all float32, where K is the most detections of the rules. Its classes begin at 0 where the scores
    have as many columns as there are classes; a background column would shift them.
    """
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    offsets, scores = graph.outputs
    most, spare = decoding.most, decoding.spare
    table = add_tensor(model, "anchors", decoding.anchors.shape, decoding.anchors.astype(np.float32))
    shapes = (1, most, 4), (1, most), (1, most), (1,)
    boxes, classes, *rest = (add_tensor(model, *pair) for pair in zip(names, shapes, strict=True))
    found = add_tensor(model, "classes_found", (1, most)) if spare else classes
    wide = _widened(model, scores, (1, len(decoding.anchors), decoding.classes), spare) if spare else scores
    operator = add_operator(model, _custom(NMS), (offsets, wide, table), (boxes, found, *rest))
    operator.customOptions = np.frombuffer(_options(decoding), np.uint8)
    operator.customOptionsFormat = schema.CustomOptionsFormat.FLEXBUFFERS
    if spare:
        _count_back(model, found, classes, spare)
    graph.outputs = [boxes, classes, *rest]
    signature.outputs = [
        schema.TensorMapT(name=name.encode(), tensorIndex=index)
        for name, index in zip(names, graph.outputs, strict=True)
    ]


def _widened(model: schema.ModelT, scores: int, shape: Sequence[int], spare: int) -> int:
    """Put `spare` columns of zeros before the scores; the index of what comes of it."""
    wide = add_tensor(model, "scores_spaced", (*shape[:-1], shape[-1] + spare))
    padding = add_tensor(model, "spare", (3, 2), np.array([[0, 0], [0, 0], [spare, 0]], np.int32))
    operator = add_operator(model, _builtin(schema.BuiltinOperator.PAD), (scores, padding), (wide,))
    operator.builtinOptionsType = schema.BuiltinOptions.PadOptions
    operator.builtinOptions = schema.PadOptionsT()
    return wide


def _count_back(model: schema.ModelT, found: int, classes: int, spare: int) -> None:
    """Take `spare` from the classes; places without a box hold 0 and keep it."""
    shift = add_tensor(model, "classes_spare", (1,), np.array([spare], np.float32))
    operator = add_operator(model, _builtin(schema.BuiltinOperator.SUB), (found, shift), (classes,))
    operator.builtinOptionsType = schema.BuiltinOptions.SubOptions
    operator.builtinOptions = schema.SubOptionsT(fusedActivationFunction=schema.ActivationFunctionType.RELU)


def _options(decoding: Decoding) -> bytes:
    """The operation's options."""
    rules = decoding.rules
    options = flexbuffers.Builder()
    with options.Map():
        for key in ("max_detections", "detections_per_class"):
            options.Int(key, decoding.most)
        options.Int("max_classes_per_detection", 1)
        options.Int("num_classes", decoding.classes + decoding.spare)
        options.Bool("use_regular_nms", True)
        options.Float("nms_score_threshold", rules.score)
        options.Float("nms_iou_threshold", rules.iou)
        for key, scale in zip(("y_scale", "x_scale", "h_scale", "w_scale"), decoding.scales, strict=True):
            options.Float(key, scale)
    return bytes(options.Finish())


def _builtin(code: int) -> schema.OperatorCodeT:
    """The code of an operation of LiteRT's own."""
    return schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)


def _custom(name: bytes) -> schema.OperatorCodeT:
    """The code of an operation that is known by its name."""
    code = _builtin(schema.BuiltinOperator.CUSTOM)
    code.customCode = name
    return code
