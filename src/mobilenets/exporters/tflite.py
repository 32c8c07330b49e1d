"""The TFLite flatbuffer, opened, changed and packed again."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import flatbuffers
import numpy as np

from mobilenets.base.errors import ExportError, needs

with needs("ai-edge-litert", "litert"):
    from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # bytes, which the schema demands of every buffer


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


def add_tensor(
    model: schema.ModelT, name: str, shape: Sequence[int], content: np.ndarray | None = None
) -> int:
    """Add a tensor to the graph, constant with a `content` of float32 or int32, else float32; its index."""
    whole = content is not None and np.issubdtype(content.dtype, np.integer)
    tensors = model.subgraphs[0].tensors
    tensors.append(
        schema.TensorT(
            name=name.encode(),
            shape=list(shape),
            type=schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32,
            buffer=_buffer(model, None if content is None else content.tobytes()),
            hasRank=True,
        )
    )
    return len(tensors) - 1


def add_operator(
    model: schema.ModelT, code: schema.OperatorCodeT, inputs: Sequence[int], outputs: Sequence[int]
) -> schema.OperatorT:
    """Let an operation follow the others of the graph; its options are for the caller to set."""
    model.operatorCodes.append(code)
    operator = schema.OperatorT(
        opcodeIndex=len(model.operatorCodes) - 1, inputs=list(inputs), outputs=list(outputs)
    )
    model.subgraphs[0].operators.append(operator)
    return operator


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
