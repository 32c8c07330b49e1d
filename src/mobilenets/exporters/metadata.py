"""What a TFLite file says of itself: MediaPipe Tasks metadata, labels as an attached file, and our card.

MediaPipe's own writers cannot be imported from its wheel (a native helper is missing), so the generated
schemas are filled here. Its ImageClassifier reads the metadata from the buffer named TFLITE_METADATA, and the
labels from a zip archive that follows the flatbuffer (mediapipe/tasks/metadata/metadata_schema.fbs).
"""

import io
import struct
import zipfile

import flatbuffers
import numpy as np

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs

with needs("ai-edge-litert", "litert"):
    from ai_edge_litert import schema_py_generated as tflite
with needs("mediapipe", "litert"):
    from mediapipe.tasks.metadata import metadata_schema_py_generated as tasks

LABELS = "labels.txt"
TASKS_NAME = b"TFLITE_METADATA"
TASKS_IDENTIFIER = b"M001"
TASKS_PARSER = "1.0.0"
TFLITE_IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # bytes, which the TFLite schema demands of every buffer
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # one time for all archives, so that equal models are equal files


class _Aligned(tflite.BufferT):  # type: ignore[misc]
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
        tflite.BufferStart(builder)
        if data is not None:
            tflite.BufferAddData(builder, data)
        return int(tflite.BufferEnd(builder))


def stamped(content: bytes, card: Card) -> bytes:
    """The TFLite model in `content` with labels, metadata and card in place of those it has.

    Raises ExportError when it is no sound model.
    """
    try:
        model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(content))
        model.description = f"{card.arch.name}, {card.task}"
        own = {TASKS_NAME: tasks_metadata(card), cards.KEY.encode(): cards.dumps(card).encode()}
        for name, data in own.items():
            _attach(model, name, data)
        model.buffers = [_aligned(buffer) for buffer in model.buffers]
        builder = flatbuffers.Builder(len(content) + 4096)
        builder.Finish(model.Pack(builder), file_identifier=TFLITE_IDENTIFIER)
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(
            f"the metadata of the TFLite file cannot be written ({error}); export it again"
        ) from error
    return _with_labels(bytes(builder.Output()), card.labels)


def tasks_metadata(card: Card) -> bytes:
    """The metadata that MediaPipe Tasks reads: an RGB image in raw pixels in, one score per label out."""
    side = card.preprocess.crop
    image = tasks.ImagePropertiesT(
        colorSpace=tasks.ColorSpaceType.RGB, defaultSize=tasks.ImageSizeT(width=side, height=side)
    )
    # mean 0 and deviation 1: the graph normalises, so pixels go in as they are
    options = tasks.NormalizationOptionsT(mean=[0.0], std=[1.0])
    normalise = tasks.ProcessUnitT(optionsType=tasks.ProcessUnitOptions.NormalizationOptions, options=options)
    labels = tasks.AssociatedFileT(name=LABELS, type=tasks.AssociatedFileType.TENSOR_AXIS_LABELS)
    pixels = tasks.TensorMetadataT(
        name="image",
        description=f"RGB, {side} x {side}, 0 to 255",
        content=_content(tasks.ContentProperties.ImageProperties, image),
        processUnits=[normalise],
        stats=tasks.StatsT(min=[0.0], max=[255.0]),
    )
    scores = tasks.TensorMetadataT(
        name="probability",
        description="one probability per class",
        content=_content(tasks.ContentProperties.FeatureProperties, tasks.FeaturePropertiesT()),
        stats=tasks.StatsT(min=[0.0], max=[1.0]),
        associatedFiles=[labels],
    )
    graph = tasks.SubGraphMetadataT(inputTensorMetadata=[pixels], outputTensorMetadata=[scores])
    model = tasks.ModelMetadataT(
        name=card.arch.name,
        description=f"{card.task}, {len(card.labels)} classes",
        subgraphMetadata=[graph],
        minParserVersion=TASKS_PARSER,
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=TASKS_IDENTIFIER)
    return bytes(builder.Output())


def label_lines(labels: tuple[str, ...]) -> str:
    """The labels, one per line; a line break inside a name becomes a space, for lines are what is counted."""
    return "".join(f"{' '.join(label.splitlines()) or ' '}\n" for label in labels)


def _content(kind: int, properties: object) -> tasks.ContentT:
    """What a tensor holds."""
    return tasks.ContentT(contentPropertiesType=kind, contentProperties=properties)


def _attach(model: tflite.ModelT, name: bytes, data: bytes) -> None:
    """Put `data` under `name` among the model's own metadata, in place of what is there."""
    model.metadata = model.metadata or []
    entry = next((entry for entry in model.metadata if entry.name == name), None)
    if entry is None:
        model.buffers.append(tflite.BufferT())
        entry = tflite.MetadataT(name=name, buffer=len(model.buffers) - 1)
        model.metadata.append(entry)
    model.buffers[entry.buffer].data = np.frombuffer(data, np.uint8)


def _aligned(buffer: tflite.BufferT) -> _Aligned:
    """The same buffer, to be packed aligned."""
    if buffer.size:
        raise ValueError("weights outside the flatbuffer")
    aligned = _Aligned()
    aligned.data = buffer.data
    return aligned


def _with_labels(model: bytes, labels: tuple[str, ...]) -> bytes:
    """The model followed by an archive with its labels, stored as they are, which MediaPipe demands."""
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS, LONG_AGO), label_lines(labels).encode())
    return file.getvalue()
