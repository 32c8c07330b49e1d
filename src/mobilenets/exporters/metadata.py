"""What a TFLite file says of itself: MediaPipe Tasks metadata, labels as an attached file, and our card.

MediaPipe's own writers cannot be imported from its wheel (a native helper is missing), so the generated
schemas are filled here. Its ImageClassifier reads the metadata from the buffer named TFLITE_METADATA, and the
labels from a zip archive that follows the flatbuffer (mediapipe/tasks/metadata/metadata_schema.fbs).
"""

import io
import zipfile
from typing import Any

import flatbuffers
import numpy as np

from mobilenets.arch import card as cards
from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.base.errors import needs
from mobilenets.exporters import tflite
from mobilenets.tasks.detect.coder import WEIGHTS

with needs("mediapipe", "litert"):
    from mediapipe.tasks.metadata import image_segmenter_metadata_schema_py_generated as segmenter
    from mediapipe.tasks.metadata import metadata_schema_py_generated as tasks
    from mediapipe.tasks.metadata import object_detector_metadata_schema_py_generated as detector

LABELS = "labels.txt"
TASKS_NAME = b"TFLITE_METADATA"
TASKS_IDENTIFIER = b"M001"
TASKS_PARSER = "1.0.0"
OPTIONS_IDENTIFIER = b"V001"  # of a segmenter's and of a detector's
OPTIONS_PARSER = "1.0.0"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # one time for all archives, so that equal models are equal files


def stamped(content: bytes, card: Card) -> bytes:
    """The TFLite model in `content` with labels, metadata and card in place of those it has.

    Raises ExportError when it is no sound model.
    """
    with tflite.sound():
        model = tflite.unpacked(content)
        model.description = f"{card.arch.name}, {card.task}"
        tflite.attach(model, TASKS_NAME, tasks_metadata(card))
        tflite.attach(model, cards.KEY.encode(), cards.dumps(card).encode())
        return _with_labels(tflite.packed(model), card.labels)


def tasks_metadata(card: Card) -> bytes:
    """The metadata that MediaPipe Tasks reads: an RGB image in raw pixels in, the outputs of the form out."""
    graph = tasks.SubGraphMetadataT(inputTensorMetadata=[_image(card)], outputTensorMetadata=_outputs(card))
    if options := _options(card):
        name, data = options
        graph.customMetadata = [tasks.CustomMetadataT(name=name, data=np.frombuffer(data, np.uint8))]
    model = tasks.ModelMetadataT(
        name=card.arch.name,
        description=f"{card.task}, {len(card.labels)} classes",
        subgraphMetadata=[graph],
        minParserVersion=TASKS_PARSER,
    )
    return _finished(model, TASKS_IDENTIFIER)


def _image(card: Card) -> tasks.TensorMetadataT:
    """The input."""
    side = card.preprocess.crop
    image = tasks.ImagePropertiesT(
        colorSpace=tasks.ColorSpaceType.RGB, defaultSize=tasks.ImageSizeT(width=side, height=side)
    )
    # mean 0 and deviation 1: the graph normalises, so pixels go in as they are
    options = tasks.NormalizationOptionsT(mean=[0.0], std=[1.0])
    normalise = tasks.ProcessUnitT(optionsType=tasks.ProcessUnitOptions.NormalizationOptions, options=options)
    return tasks.TensorMetadataT(
        name="image",
        description=f"RGB, {side} x {side}, 0 to 255",
        content=_content(tasks.ContentProperties.ImageProperties, image),
        processUnits=[normalise],
        stats=tasks.StatsT(min=[0.0], max=[255.0]),
    )


def _outputs(card: Card) -> list[tasks.TensorMetadataT]:
    """The outputs, in the file's order. MediaPipe knows those of a detector by these names."""
    kinds = tasks.AssociatedFileType
    match card.task, card.form:
        case "detect", "nms":
            return [
                _location(),
                _values("category", "class indices, from 0", labels=kinds.TENSOR_VALUE_LABELS),
                _values("score", "the class's score", to=1.0),
                _values("number of detections", "how many of the boxes hold"),
            ]
        case "detect", _:
            scores = _values("score", "a score per anchor and class", to=1.0, labels=kinds.TENSOR_AXIS_LABELS)
            return [_location(), scores]
        case "segment", form:
            what = "a probability per pixel and class" if form == "scores" else "the class of each pixel"
            return [_mask(what)]
        case "embed", _:
            return [_values("vector", "of length 1")]
        case _:
            labels = kinds.TENSOR_AXIS_LABELS
            return [_values("probability", "one probability per class", to=1.0, labels=labels)]


def _values(
    name: str, description: str, *, to: float = 0.0, labels: int | None = None
) -> tasks.TensorMetadataT:
    """A tensor of numbers, from 0 `to` something where that is known, with the labels where they belong."""
    values = tasks.TensorMetadataT(
        name=name,
        description=description,
        content=_content(tasks.ContentProperties.FeatureProperties, tasks.FeaturePropertiesT()),
    )
    if to:
        values.stats = tasks.StatsT(min=[0.0], max=[to])
    if labels is not None:
        values.associatedFiles = [tasks.AssociatedFileT(name=LABELS, type=labels)]
    return values


def _location() -> tasks.TensorMetadataT:
    """The boxes, whose entries are y1, x1, y2, x2; raw ones are decoded to that by MediaPipe itself."""
    boxes = tasks.BoundingBoxPropertiesT(
        index=[1, 0, 3, 2], type=tasks.BoundingBoxType.BOUNDARIES, coordinateType=tasks.CoordinateType.RATIO
    )  # where left, top, right and bottom are
    return tasks.TensorMetadataT(
        name="location",
        description="the boxes",
        content=_content(tasks.ContentProperties.BoundingBoxProperties, boxes),
    )


def _mask(description: str) -> tasks.TensorMetadataT:
    """A map of classes."""
    image = tasks.ImagePropertiesT(colorSpace=tasks.ColorSpaceType.GRAYSCALE)
    labels = tasks.AssociatedFileT(name=LABELS, type=tasks.AssociatedFileType.TENSOR_AXIS_LABELS)
    return tasks.TensorMetadataT(
        name="segmentation_masks",
        description=description,
        content=_content(tasks.ContentProperties.ImageProperties, image),
        associatedFiles=[labels],
    )


def _options(card: Card) -> tuple[str, bytes] | None:
    """What MediaPipe is to do with the outputs, where that is not plain from them: a name and a document."""
    match card.task, card.form:
        case "segment", "scores":
            options = segmenter.ImageSegmenterOptionsT(
                activation=segmenter.Activation.NONE, minParserVersion=OPTIONS_PARSER
            )  # softmax lies in the graph
            return "SEGMENTER_METADATA", _finished(options, OPTIONS_IDENTIFIER)
        case "detect", "mediapipe":
            return "DETECTOR_METADATA", _finished(_decoding(card), OPTIONS_IDENTIFIER)
        case _:
            return None


def _decoding(card: Card) -> detector.ObjectDetectorOptionsT:
    """The anchors and the box coder of a detector."""
    boxes = anchors(card.arch)
    x_scale, y_scale, w_scale, h_scale = WEIGHTS
    fixed = [detector.FixedAnchorT(xCenter=x, yCenter=y, width=w, height=h) for x, y, w, h in boxes]
    return detector.ObjectDetectorOptionsT(
        minParserVersion=OPTIONS_PARSER,
        ssdAnchorsOptions=detector.SsdAnchorsOptionsT(
            fixedAnchorsSchema=detector.FixedAnchorsSchemaT(anchors=fixed)
        ),
        tensorsDecodingOptions=detector.TensorsDecodingOptionsT(
            numClasses=len(card.labels),
            numBoxes=len(boxes),
            numCoords=4,
            keypointCoordOffset=0,
            numKeypoints=0,
            numValuesPerKeypoint=2,
            xScale=x_scale,
            yScale=y_scale,
            wScale=w_scale,
            hScale=h_scale,
            applyExponentialOnBoxSize=True,
            sigmoidScore=False,
        ),
    )


def _finished(document: Any, identifier: bytes) -> bytes:
    """The bytes of a document of one of MediaPipe's schemas."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(document.Pack(builder), file_identifier=identifier)
    return bytes(builder.Output())


def _content(kind: int, properties: object) -> tasks.ContentT:
    """What a tensor holds."""
    return tasks.ContentT(contentPropertiesType=kind, contentProperties=properties)


def label_lines(labels: tuple[str, ...]) -> str:
    """The labels, one per line; a line break inside a name becomes a space, for lines are what is counted."""
    return "".join(f"{' '.join(label.splitlines()) or ' '}\n" for label in labels)


def _with_labels(model: bytes, labels: tuple[str, ...]) -> bytes:
    """The model followed by an archive with its labels, stored as they are, which MediaPipe demands."""
    if not labels:
        return model
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS, LONG_AGO), label_lines(labels).encode())
    return file.getvalue()
