"""The rules of files against the operations that files are made of."""

import numpy as np
import pytest
import torch
from detecting import ANCHORS, SIDE

from mobilenets.tasks.detect import RULES, decode, detections, flipped, from_file

SIZE = (480, 360)
CLASSES = 3


def outputs(seed, ties):
    """Offsets in the order of files, and scores, of which many are equal where `ties`."""
    random = torch.Generator().manual_seed(seed)
    offsets = 2 * torch.randn(len(ANCHORS), 4, generator=random)
    scores = torch.randn(len(ANCHORS), CLASSES, generator=random).sub(1).mul(2).sigmoid()
    return offsets, (scores * 500).round() / 500 if ties else scores


def ours(offsets, scores):
    """What the rules say."""
    return detections(flipped(offsets), scores, ANCHORS, SIZE, RULES["file"], side=SIDE)


def options():
    """The operation's options, as exported files hold them."""
    from flatbuffers import flexbuffers

    rules = RULES["file"]
    values = {
        "max_detections": rules.detections,
        "max_classes_per_detection": 1,
        "detections_per_class": rules.detections,
        "use_regular_nms": True,
        "nms_score_threshold": rules.score,
        "nms_iou_threshold": rules.iou,
        "num_classes": CLASSES,
    }
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in values.items():
            builder.Key(key)
            builder.Bool(value) if isinstance(value, bool) else (
                builder.Float(value) if isinstance(value, float) else builder.Int(value)
            )
        for key, value in {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}.items():
            builder.Key(key)
            builder.Float(value)
    return builder.Finish()


def tflite():
    """A file with nothing but the operation: offsets, scores and anchors in, four tensors out."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    import flatbuffers

    n = len(ANCHORS)
    shapes = [(1, n, 4), (1, n, CLASSES), (n, 4), (1, 100, 4), (1, 100), (1, 100), (1,)]
    graph = schema.SubGraphT()
    graph.tensors = []
    for number, shape in enumerate(shapes):
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name, tensor.buffer = list(shape), 0, f"t{number}".encode(), 0
        graph.tensors.append(tensor)
    graph.inputs, graph.outputs = [0, 1, 2], [3, 4, 5, 6]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3, 4, 5, 6]
    operator.customOptions = list(options())
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.CUSTOM
    code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"TFLite_Detection_PostProcess"
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("ties", [False, True])
def test_litert_finds_the_same(ties):
    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = interpreters.Interpreter(model_content=tflite())
    interpreter.allocate_tensors()
    places = [item["index"] for item in interpreter.get_input_details()]
    results = [item["index"] for item in interpreter.get_output_details()]
    for seed in range(10):
        offsets, scores = outputs(seed, ties)
        for place, value in zip(places, (offsets[None], scores[None], flipped(ANCHORS / SIDE)), strict=True):
            interpreter.set_tensor(place, value.numpy())
        interpreter.invoke()
        boxes, classes, found, count = (torch.from_numpy(interpreter.get_tensor(i)) for i in results)
        theirs = from_file(boxes[0], classes[0], found[0], int(count), SIZE)
        same(ours(offsets, scores), theirs, ties)


def same(mine, theirs, ties):
    """Equal in boxes, labels and scores; where scores are equal, in whatever order."""
    assert len(mine) == len(theirs) == 100
    assert torch.equal(mine.scores, theirs.scores)
    rows = [
        torch.cat((d.scores[:, None], d.labels[:, None], d.boxes), dim=1).double() for d in (mine, theirs)
    ]
    if ties:
        above = mine.scores > mine.scores[-1]  # of the last score it is open which come out
        rows = [torch.tensor(sorted(r[above].round(decimals=2).tolist())) for r in rows]
        assert len(rows[0]) > 50
    torch.testing.assert_close(*rows, rtol=0, atol=0.02 if ties else 1e-3)


def onnx_session():
    """ONNX's operation by itself."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    rules = RULES["file"]
    floats, ints, value = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.helper.make_tensor
    node = onnx.helper.make_node(
        "NonMaxSuppression", ["boxes", "scores", "most", "iou", "score"], ["selected"]
    )
    graph = onnx.helper.make_graph(
        [node],
        "nms",
        [
            onnx.helper.make_tensor_value_info("boxes", floats, (1, len(ANCHORS), 4)),
            onnx.helper.make_tensor_value_info("scores", floats, (1, CLASSES, len(ANCHORS))),
        ],
        [onnx.helper.make_tensor_value_info("selected", ints, ("k", 3))],
        [
            value("most", ints, (1,), [rules.detections]),
            value("iou", floats, (1,), [rules.iou]),
            value("score", floats, (1,), [rules.score]),
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("ties", [False, True])
def test_onnx_runtime_finds_the_same(ties):
    session = onnx_session()
    for seed in range(10):
        offsets, scores = outputs(seed, ties)
        boxes = flipped(decode(flipped(offsets).double(), ANCHORS.double()) / SIDE).float()
        fed = {"boxes": boxes[None].numpy(), "scores": scores.T[None].contiguous().numpy()}
        _, labels, anchors = torch.from_numpy(session.run(None, fed)[0]).T
        best = scores[anchors, labels].argsort(descending=True, stable=True)[:100]
        labels, anchors = labels[best], anchors[best]
        theirs = from_file(boxes[anchors], labels, scores[anchors, labels], 100, SIZE)
        mine = ours(offsets, scores)
        assert np.array_equal(mine.labels, theirs.labels)
        assert torch.equal(mine.scores, theirs.scores)
        torch.testing.assert_close(mine.boxes, theirs.boxes, rtol=0, atol=1e-3)
