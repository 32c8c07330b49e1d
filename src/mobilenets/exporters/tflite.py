"""The TFLite flatbuffer, opened, changed and packed again."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

from mobilenets.base.errors import ExportError, needs

with needs("ai-edge-litert", "litert"):
    from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # bytes, which the schema demands of every buffer
NMS = b"TFLite_Detection_PostProcess"


class _Aligned(schema.BufferT):  # type: ignore[misc]
    """A buffer packed as the schema demands; the generated code forgets `force_align`."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - the generated code's name
        """Write the buffer and return its place."""
        data = None
        if self.data is not None:
            content = bytes(self.data)
            builder.StartVector(1, len(content), ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


@contextmanager
def sound() -> Iterator[None]:
    """Turn what the generated code raises on a broken model into ExportError."""
    try:
        yield
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(
            f"the metadata of the TFLite file cannot be written ({error}); export it again"
        ) from error


def unpacked(content: bytes) -> schema.ModelT:
    """The model in the bytes of a file."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


def packed(model: schema.ModelT) -> bytes:
    """The bytes of a model."""
    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def attach(model: schema.ModelT, name: bytes, data: bytes) -> None:
    """Put `data` under `name` among the model's own metadata, in place of what is there."""
    model.metadata = model.metadata or []
    entry = next((entry for entry in model.metadata if entry.name == name), None)
    if entry is None:
        entry = schema.MetadataT(name=name, buffer=_buffer(model))
        model.metadata.append(entry)
    model.buffers[entry.buffer].data = np.frombuffer(data, np.uint8)


def name_outputs(model: schema.ModelT, names: Sequence[str]) -> None:
    """Call the outputs by `names`, which are in the order in which the converted module gave them.

    A signature numbers them `output_0`, `output_1`, ...; the graph's own list need not be in that order, and
    afterwards it is. Raises ValueError when there are others.
    """
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    by_name = {entry.name.decode(): entry for entry in signature.outputs}
    signature.outputs = [by_name.pop(f"output_{index}") for index in range(len(names))]
    if by_name:
        raise ValueError(f"{len(names)} outputs were expected, there are {len(names) + len(by_name)}")
    graph.outputs = [entry.tensorIndex for entry in signature.outputs]
    for entry, name in zip(signature.outputs, names, strict=True):
        entry.name = graph.tensors[entry.tensorIndex].name = name.encode()


def add_nms(
    model: schema.ModelT,
    anchors: np.ndarray,
    names: Sequence[str],
    *,
    classes: int,
    detections: int,
    score: float,
    iou: float,
    scales: Sequence[float],
) -> None:
    """Let TFLite_Detection_PostProcess follow, which takes the two outputs of the model and gives four.

    The outputs must be offsets (1, N, 4) as dy, dx, dh, dw, times `scales`, and scores (1, N, classes).
    `anchors` (N, 4) are cy, cx, h, w as shares. Given are boxes (1, detections, 4) as y1, x1, y2, x2, shares
    too, classes and scores (1, detections) and the count (1,), all float32
    (tensorflow/lite/kernels/detection_postprocess.cc). Its classes begin at 0 where the scores have as many
    columns as there are classes; a background column would shift them.
    """
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    anchors = np.ascontiguousarray(anchors, np.float32)
    table = _tensor(model, "anchors", anchors.shape, _buffer(model, anchors.tobytes()))
    shapes = (1, detections, 4), (1, detections), (1, detections), (1,)
    found = [_tensor(model, name, shape, _buffer(model)) for name, shape in zip(names, shapes, strict=True)]
    code = schema.OperatorCodeT(
        deprecatedBuiltinCode=schema.BuiltinOperator.CUSTOM,
        builtinCode=schema.BuiltinOperator.CUSTOM,
        customCode=NMS,
        version=1,
    )
    model.operatorCodes.append(code)
    options = flexbuffers.Builder()
    with options.Map():
        for key, number in (("max_detections", detections), ("detections_per_class", detections)):
            options.Int(key, number)
        options.Int("max_classes_per_detection", 1)
        options.Int("num_classes", classes)
        options.Bool("use_regular_nms", True)
        options.Float("nms_score_threshold", score)
        options.Float("nms_iou_threshold", iou)
        for key, scale in zip(("y_scale", "x_scale", "h_scale", "w_scale"), scales, strict=True):
            options.Float(key, scale)
    operator = schema.OperatorT(
        opcodeIndex=len(model.operatorCodes) - 1,
        inputs=[*graph.outputs, table],
        outputs=found,
        customOptions=np.frombuffer(bytes(options.Finish()), np.uint8),
        customOptionsFormat=schema.CustomOptionsFormat.FLEXBUFFERS,
    )
    graph.operators.append(operator)
    graph.outputs = found
    signature.outputs = [
        schema.TensorMapT(name=name.encode(), tensorIndex=index)
        for name, index in zip(names, found, strict=True)
    ]


def _tensor(model: schema.ModelT, name: str, shape: Sequence[int], buffer: int) -> int:
    """Add a float32 tensor to the graph; its index."""
    tensors = model.subgraphs[0].tensors
    tensors.append(
        schema.TensorT(
            name=name.encode(),
            shape=list(shape),
            type=schema.TensorType.FLOAT32,
            buffer=buffer,
            hasRank=True,
        )
    )
    return len(tensors) - 1


def _buffer(model: schema.ModelT, content: bytes | None = None) -> int:
    """Add a buffer, empty for what is computed; its index."""
    buffer = schema.BufferT()
    if content is not None:
        buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _aligned(buffer: schema.BufferT) -> _Aligned:
    """The same buffer, to be packed aligned."""
    if buffer.size:
        raise ValueError("weights outside the flatbuffer")
    aligned = _Aligned()
    aligned.data = buffer.data
    return aligned
