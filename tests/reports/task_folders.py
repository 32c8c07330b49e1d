"""Run folders of the other tasks: the synthetic one of `folders`, with results that real code scored."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from folders import fit_folder
from PIL import Image, ImageDraw

from mobilenets.arch import codec
from mobilenets.arch.card import Card, dumps
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.run import Run
from mobilenets.data.dataset import Box, BoxedSample, Coding, MaskedSample, Sample
from mobilenets.tasks import embed_scored, segment_scored
from mobilenets.tasks.detect import Detections
from mobilenets.tasks.detect.scored import Scored

LABELS = ["cat", "dog", "<b>cow</b>"]
COLOURS = ("tomato", "seagreen", "royalblue")


def detect_folder(folder: Path, images: int = 10) -> Run:
    """Discs of three colours in boxes; some missed, some invented, one image without a mistake."""
    root, random = folder.parent / "images", np.random.default_rng(0)
    samples, found = [], []
    for i in range(images):
        places = [(20 + 90 * k, 30 + 10 * (i % 5), 90 + 90 * k, 110 + 10 * (i % 5)) for k in range(3)]
        path = painted(root / f"test/{i:02}.png", places)
        boxes = tuple(
            Box(k, *map(float, place), difficult=k == 2 and i == 0) for k, place in enumerate(places)
        )
        samples.append(BoxedSample(path, 320, 200, boxes))
        rows = [(k, place) for k, place in enumerate(places) if i == 0 or random.random() < 0.8]
        rows += [(0, (250, 150, 310, 190))] * (i % 4 == 3)
        found.append(Detections(torch.tensor([place for _, place in rows]).float().reshape(-1, 4),
                                torch.tensor([k for k, _ in rows]).long(),
                                torch.tensor([0.95 - 0.05 * k for k in range(len(rows))])))  # fmt: skip
    scored = Scored(found, samples, tuple(LABELS), root)
    return finished(folder, "detect", "mAP50", scored.value, images, scored.document())


def segment_folder(folder: Path, images: int = 14) -> Run:
    """Discs as masks, predicted ever further to the side."""
    root = folder.parent / "images"
    scored = segment_scored.Scored(tuple(LABELS), root)
    for i in range(images):
        places = [(20, 30, 140, 150), (160, 40, 300, 180)]
        path = painted(root / f"test/{i:02}.png", places)
        truth = Image.new("L", (320, 200))
        for k, place in enumerate(places):
            ImageDraw.Draw(truth).ellipse(place, fill=k + 1)
        mask = np.array(truth)
        guess = np.roll(mask, 3 * i, axis=1)
        mask[:10] = 255
        sample = MaskedSample(path, path, 320, 200, Coding(bytes(256)))
        scored.add(sample, mask, guess)
    return finished(folder, "segment", "mIoU", scored.value, images, scored.document())


def embed_folder(folder: Path, images: int = 30) -> Run:
    """Discs of three colours as vectors around three corners."""
    root, random = folder.parent / "images", np.random.default_rng(0)
    samples, vectors = [], []
    for i in range(2 * images):
        path = root / f"{'train' if i < images else 'test'}/{i:02}.png"
        picture = Image.new("RGB", (80, 80), "gainsboro")
        ImageDraw.Draw(picture).ellipse((10, 10, 70, 70), fill=COLOURS[i % 3])
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        samples.append(Sample(path, i % 3))
        vector = np.eye(3, 8)[i % 3] + 0.45 * random.normal(size=8)
        vectors.append(vector / np.linalg.norm(vector))
    stacked = np.array(vectors, np.float32)
    scored = embed_scored.Scored(
        stacked[images:], samples[images:], tuple(LABELS), root, stacked[:images], samples[:images]
    )
    return finished(folder, "embed", "recall1", scored.value, images, scored.document())


def painted(path: Path, places: list) -> Path:
    """A grey picture with a disc at each place."""
    picture = Image.new("RGB", (320, 200), "gainsboro")
    for k, place in enumerate(places):
        ImageDraw.Draw(picture).ellipse(tuple(place), fill=COLOURS[k])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def finished(folder: Path, task: str, metric: str, value: float, n: int, document: dict) -> Run:
    """The run folder of a fit with these results."""
    run = fit_folder(folder, LABELS, n=12, images=0, errors=0)
    arch = with_head(find("mobilenet_v2", 0.35, 96), task, 0 if task == "embed" else len(LABELS))
    fit = "crop" if task == "embed" else "stretch"
    card = Card(task, arch, () if task == "embed" else tuple(LABELS), replace(Preprocess(96, 96), fit=fit))
    run.card.write_text(dumps(card), encoding="utf-8")
    run.arch.write_text(codec.dumps(arch), encoding="utf-8")
    dataset = json.loads(run.dataset.read_text(encoding="utf-8"))
    run.dataset.write_text(json.dumps(dataset | {"images": {"train": 40, "val": 0, "test": n}}))
    result = json.loads(run.result.read_text(encoding="utf-8"))
    result = {key: result[key] for key in result.keys() - {"confusion", "predictions"}}
    result |= {"task": task, "metric": metric, "value": value, "n": n, **document}
    run.result.write_text(json.dumps(result), encoding="utf-8")
    run.metrics.write_text(run.metrics.read_text().replace("top1", metric), encoding="utf-8")
    return run
