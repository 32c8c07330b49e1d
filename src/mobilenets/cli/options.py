"""The options that several commands share.

A command takes a group of them as `**group: Unpack[...]`; `conduct.parameters` makes single options of it.
"""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder with one folder of images per class (or train/val/test of them), a CSV of "
        "path,label, or `signs`, the embedded data set. To detect: Pascal VOC, COCO or YOLO; to segment: "
        "images and masks, Pascal VOC or COCO.",
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A run folder, a .safetensors, .tflite or .onnx file, or the name of a network."
    ),
]
Width = Annotated[float | None, typer.Option(metavar="X", help="Width multiplier of the network, e.g. 0.5.")]
Resolution = Annotated[
    int | None, typer.Option(metavar="PIXELS", help="Side of the network's input; 224 if not given.")
]
Dialect = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Whose reading of the paper: torchvision, timm, tensorflow or keras."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="Weights for a network's name: imagenet, a published name or a file. If not given, imagenet "
        "where answers are wanted; export and benchmark then take the network untrained.",
    ),
]
StartWeights = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        help="What training begins with: imagenet, none, or for one network a published name or a file.",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        metavar="RUNTIME:DEVICE:THREADS",
        help="Where it will run: litert, onnx or torch on cpu; litert also on adb=SERIAL or ssh=HOST.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="RUNTIME:DEVICE:THREADS", help="Where to run; if not given, the file's own runtime."
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        help="Segment through half-overlapping windows of this side, for images much larger than the input.",
    ),
]
Task = Annotated[str, typer.Option(metavar="NAME", help="What to learn: classify, detect, segment or embed.")]
InputSide = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS", help="Side of the input; if not given 224, to detect 320, to segment 384."
    ),
]
FittingSide = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        help="Side of the input; if not given, the largest that something fits at, from 224 down (to detect "
        "from 320, to segment from 384).",
    ),
]
Head = Annotated[
    str | None, typer.Option(metavar="NAME", help="To segment: lraspp (if not given), raspp or deeplab.")
]
Halved = Annotated[
    bool | None,
    typer.Option(
        "--halved", help="To detect or segment with half the channels in the last stage: smaller and faster."
    ),
]
OutputStride = Annotated[
    int | None, typer.Option(metavar="N", help="To segment: the stride of the last map, 16, 8 or 32.")
]
Size = Annotated[int | None, typer.Option(metavar="N", help="To embed: entries of a vector; 128.")]
RunFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="The run folder; a run that is in it already goes on.")
]
Val = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of each class held back to validate on, where DATA has no val split; if not given, 0.1, "
        "and 0.05 beside a test split.",
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Learn from this network too: a finished run that knows these classes, or its weights file.",
    ),
]
Unlabelled = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Further images, without labels, that the teacher judges."),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Everything random follows from it.")]
Epochs = Annotated[int | None, typer.Option(metavar="N", help="Passes over the images.")]
BatchSize = Annotated[int | None, typer.Option(metavar="N", help="Images per step.")]
LearningRate = Annotated[float | None, typer.Option("--lr", metavar="RATE", help="Peak learning rate.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any other training setting; may be given several times."
    ),
]


class Named(TypedDict):
    """What goes with the name of a network; runs and files say these themselves."""

    weights: Weights
    width: Width
    resolution: Resolution
    dialect: Dialect


class Training(TypedDict):
    """Training settings: the usual ones by flags of their own. `settings.collect` joins them."""

    epochs: Epochs
    batch_size: BatchSize
    lr: LearningRate
    settings: Assignments
