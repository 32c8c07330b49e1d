"""NMS inside a TFLite file, on any number of threads, in LiteRT itself."""

import pytest
import torch

from mobilenets.exporters import tflite, tflite_nms
from mobilenets.tasks.detect import RULES, Rules, detections, from_file
from mobilenets.tasks.detect.coder import WEIGHTS, flipped

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
SIDE, N = 100, 400
RULE: Rules = RULES["file"]
NAMES = ("boxes", "classes", "scores", "count")


def anchors():
    """Anchors (N, 4), cx, cy, w, h in pixels."""
    random = torch.Generator().manual_seed(0)
    return torch.cat((torch.rand(N, 2, generator=random), torch.full((N, 2), 0.2)), dim=1) * SIDE


def heads(classes):
    """Offsets (N, 4) as dx, dy, dw, dh, and scores (N, classes), no two of them equal."""
    random = torch.Generator().manual_seed(1)
    scores = torch.randperm(N * classes, generator=random).reshape(N, classes) / (N * classes)
    return torch.randn(N, 4, generator=random), scores


def bare(classes, spare, monkeypatch):
    """A file that takes offsets and scores and holds nothing but decoding and NMS."""
    monkeypatch.setattr(tflite_nms, "SPARE", spare)
    model = schema.ModelT(
        version=3,
        operatorCodes=[],
        buffers=[schema.BufferT()],
        subgraphs=[schema.SubGraphT(tensors=[], operators=[], inputs=[0, 1], outputs=[0, 1])],
        signatureDefs=[schema.SignatureDefT(inputs=[], outputs=[], signatureKey=b"serving_default")],
    )
    for name, columns in (("offsets", 4), ("scores", classes)):
        tflite.add_tensor(model, name, (1, N, columns))
    places, scales = flipped(anchors() / SIDE).numpy(), flipped(torch.tensor(WEIGHTS)).tolist()
    tflite_nms.follow(model, tflite_nms.Decoding(places, scales, classes, RULE), NAMES)
    return tflite.packed(model)


def found(content, threads, classes):
    """Boxes, classes, scores and count in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    offsets, scores = heads(classes)
    for entry, values in zip(interpreter.get_input_details(), (flipped(offsets), scores), strict=True):
        interpreter.set_tensor(entry["index"], values[None].numpy())
    interpreter.invoke()
    return [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]


@pytest.mark.parametrize("classes", [1, 2, 3, 12])
def test_several_threads_find_the_same(classes, monkeypatch):
    content = bare(classes, tflite_nms.SPARE, monkeypatch)
    offsets, scores = heads(classes)
    ours = detections(offsets, scores, anchors(), (SIDE, SIDE), RULE, side=SIDE)
    assert len(ours) == 100
    assert set(ours.labels.tolist()) == set(range(classes)), "a class that is left out must be missed"
    for threads in (1, 2, 3, 4, 7, tflite_nms.SPARE - 1):
        boxes, labels, ranks, count = (torch.from_numpy(part)[0] for part in found(content, threads, classes))
        theirs = from_file(boxes, labels, ranks, int(count), (SIDE, SIDE))
        assert torch.equal(theirs.labels, ours.labels)
        assert torch.equal(theirs.scores, ours.scores)
        torch.testing.assert_close(theirs.boxes, ours.boxes, rtol=0, atol=1e-3)


def test_without_spare_classes_litert_leaves_one_out(monkeypatch):
    """When this fails, LiteRT was mended: the spare classes can go."""
    content = bare(12, 0, monkeypatch)
    for threads in (2, 3, 5):
        _, labels, *_ = found(content, threads, 12)
        assert set(range(12)) - set(labels[0].astype(int)) == {threads}
