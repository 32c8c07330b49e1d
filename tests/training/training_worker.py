"""A small training that tests run here or in a process of its own, where it can be killed.

As a program: each line on stdin is the JSON of a training; it forks a child for it (so that torch is imported
once), prints the child's number, then its exit status when it ended.
"""

import json
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, Classifier, Conv, Dialect, Inverted
from mobilenets.base.errors import MobilenetsError
from mobilenets.base.run import Run
from mobilenets.data.dataset import Dataset, Sample
from mobilenets.nn import build, load_model
from mobilenets.training import Settings, Teacher, checkpoint, train

COLOURS = {"amber": (210, 150, 40), "green": (60, 190, 80), "violet": (140, 70, 200)}
TINY = Arch(
    name="tiny",
    resolution=32,
    blocks=(
        Conv(3, 8, stride=2),
        Inverted(3, 16, 8, squeeze=4, activation="hardswish"),
        Inverted(3, 24, 16, stride=2),
    ),
    head=Classifier(classes=3, hidden=16, dropout=0.2),
    dialect=Dialect("torchvision", 1e-5, 0.1),
)
CARD = Card("classify", TINY, tuple(COLOURS), Preprocess(crop=32, resize=32))
# Everything random at once, and a state saved every few steps.
BUSY = {"epochs": 5, "batch_size": 8, "lr": 0.01, "warmup_epochs": 1, "mixup": 0.2, "erasing": 0.3,
        "augment": "strong", "clip_norm": 1.0, "class_weights": "balanced", "checkpoint_seconds": 0.05,
        "sam_rho": 0.02, "freeze_stride": 2, "resolution_schedule": ((0.5, 24),), "seed": 7}  # fmt: skip


TAUGHT = {"distil_weight": 0.6, "distil_features": 0.5, "distil_unlabelled": 0.7}


def draw_images(root: Path, per_class: int = 24) -> None:
    """Squares of the class's colour on grey noise."""
    for k, (label, colour) in enumerate(COLOURS.items()):
        for i in range(per_class):
            random = np.random.default_rng([k, i])
            pixels = random.integers(60, 180, (32, 32, 1)).repeat(3, axis=2).astype(np.uint8)
            top, left = random.integers(0, 14, 2)
            pixels[top : top + 18, left : left + 18] = colour
            path = root / label / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def dataset_of(root: Path) -> Dataset:
    """Every fourth image is for validation."""
    samples = [
        Sample(path, k) for k, label in enumerate(COLOURS) for path in sorted((root / label).iterdir())
    ]
    val = tuple(samples[::4])
    return Dataset(root, tuple(COLOURS), tuple(s for s in samples if s not in val), val)


def tiny_network():
    torch.manual_seed(3)
    return build(TINY)


def tiny_teacher(seed: int = 5) -> Teacher:
    """A network with other widths, normalisation and order of classes, and one class more."""
    arch = replace(TINY, name="teacher", blocks=(*TINY.blocks[:2], replace(TINY.blocks[2], out=20)),
                   head=replace(TINY.head, classes=4))  # fmt: skip
    labels = ("violet", "white", "amber", "green")
    record = Preprocess(crop=32, resize=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    torch.manual_seed(seed)
    return Teacher(build(arch), Card("classify", arch, labels, record), "a file")


def lessons(dataset: Dataset) -> tuple[Teacher, list[Path]]:
    """A teacher, and images that it alone judges."""
    return tiny_teacher(), [sample.path for sample in dataset.train[:17]]


def tiny_training(root: Path, folder: Path, taught: bool = False, **settings):
    """Train the tiny network in a run folder; with a teacher, some of the images come without labels too."""
    dataset = dataset_of(Path(root))
    more = lessons(dataset) if taught else ()
    return train(tiny_network(), dataset, CARD, Settings(**settings), Run(Path(folder)), *more)


def outcome(run: Run):
    """What must not depend on breaks: everything but times and the command."""
    tensors, facts = checkpoint.read(run.last)
    rows = [{**row, "seconds": 0} for row in facts["progress"]["history"]]
    network, card = load_model(run.weights)
    tensors |= {f"finished/{name}": value for name, value in network.state_dict().items()}
    content = {name: value.numpy().tobytes() for name, value in tensors.items()}
    return content, rows, replace(card, command="")


def child(order: dict) -> int:
    """One training; its exit status."""
    try:
        tiny_training(order["root"], order["folder"], order["taught"], **order["settings"])
    except MobilenetsError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except BaseException:  # noqa: BLE001 - the parent reads the status
        traceback.print_exc()
        return 99
    return 0


def serve() -> None:
    """Fork a training for every line."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(child(json.loads(line)))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
