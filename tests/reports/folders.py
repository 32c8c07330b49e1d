"""Synthetic run folders, written as the stages write them."""

import json
import random
from pathlib import Path

from PIL import Image

from mobilenets.arch import codec, cost, edit
from mobilenets.arch.card import Card, dumps
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.run import Run, open_run

ARCH = find("mobilenet_v2", 1.0, 96)


def predictions(classes: int, n: int, errors: int, seed: int = 0) -> list[dict]:
    """`n` predictions of which exactly `errors` are wrong."""
    dice = random.Random(seed)
    rows = []
    for i in range(n):
        label = i % classes
        predicted = label if i >= errors else (label + dice.choice([1, 1, 1, 2])) % classes
        predicted = (label + 1) % classes if i < errors and predicted == label else predicted
        score = round(dice.uniform(0.4, 1.0), 4)
        rows.append({"file": f"test/{i:05}.png", "label": label, "predicted": predicted, "score": score})
    return rows


def confusion(rows: list[dict], classes: int) -> list[list[int]]:
    matrix = [[0] * classes for _ in range(classes)]
    for row in rows:
        matrix[row["label"]][row["predicted"]] += 1
    return matrix


def train_folder(folder: Path, labels: list[str], epochs: int = 6) -> Run:
    """A run that was trained and nothing else."""
    asked = {"verb": "train", "data": "birds", "task": "classify", "model": "mobilenet_v2", "width": None,
             "settings": {"epochs": epochs}}  # fmt: skip
    run = open_run(folder, asked)
    images = folder.parent / "images"
    arch = edit.classes(ARCH, len(labels))
    card = Card(
        "classify", arch, tuple(labels), Preprocess(96, 96), weights="torchvision/mobilenet_v2.imagenet1k_v1"
    )
    run.card.write_text(dumps(card), encoding="utf-8")
    run.arch.write_text(codec.dumps(arch), encoding="utf-8")
    run.weights.write_bytes(b"x" * 2048)
    dataset = {
        "source": str(images), "root": str(images), "fingerprint": "ab" * 32, "labels": labels,
        "counts": {"train": [9] * len(labels), "val": [2] * len(labels), "test": [0] * len(labels)},
        "made": ["val"], "left_out": [{"id": "corrupt", "file": "a<b>.jpg", "message": "it is empty"}],
    }  # fmt: skip
    run.dataset.write_text(json.dumps(dataset), encoding="utf-8")
    rows = ["epoch,seconds,lr,train_loss,val_loss,top1"]
    for i in range(epochs):
        loss, rate = 2 / (i + 1), 0.001 * (epochs - i) / epochs
        rows.append(f"{i},{12.5 * (i + 1)},{rate},{loss},{loss + 0.2},{1 - 0.35 * loss:.4f}")
    run.metrics.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return run


def fit_folder(folder: Path, labels: list[str], n: int = 60, errors: int = 9, images: int = 60) -> Run:
    """A run that went all the way, with `images` of its `n` held-out pictures on disk."""
    run = train_folder(folder, labels)
    rows = predictions(len(labels), n, errors)
    place = folder.parent / "images" / "test"
    place.mkdir(parents=True, exist_ok=True)
    for i, row in [*enumerate(rows)][n - images :] + [*enumerate(rows)][:errors]:
        hue = 255 * row["label"] // len(labels)
        Image.new("HSV", (64, 64 + i % 30), (hue, 160, 220)).convert("RGB").save(place / f"{i:05}.png")
    run.exports.mkdir(exist_ok=True)
    (run.exports / "model.tflite").write_bytes(b"x" * 3_000_000)
    result = {
        "task": "classify", "artifact": "exports/model.tflite", "metric": "top1", "value": (n - errors) / n,
        "n": n,
        "split": "test", "target": "litert:cpu:1", "latency_ms": 4.321,
        "latency": {"median_ms": 4.321, "iqr_ms": 0.1, "runs": 300, "environment": {"cpu": "Example 9000"}},
        "budget_ms": 5.0, "met": True, "weights": "torchvision/mobilenet_v2.imagenet1k_v1",
        "torch_value": (n - errors) / n, "parity": {"n": 64, "max_abs": 2.5e-6, "agreement": 1.0},
        "confusion": confusion(rows, len(labels)), "predictions": rows,
        "command": "mobilenets fit birds --budget 5ms --out 'runs/my birds'",
    }  # fmt: skip
    run.result.write_text(json.dumps(result), encoding="utf-8")
    run.candidates.write_text(json.dumps(candidates()), encoding="utf-8")
    return run


def candidates() -> dict:
    """Three measured, one of them chosen, and one that was not measured."""
    listed = []
    for name, width, top1, ms in [("mobilenet_v3_large", 1.0, 75.3, 5.6), ("mobilenet_v2", 1.0, 71.9, 4.3),
                                  ("mobilenet_v3_small", 1.0, 67.7, 1.6),
                                  ("mobilenet_v2", 1.4, 75.9, None)]:  # fmt: skip
        counted = cost(find(name, width, 96))
        listed.append({
            "name": name, "width": width, "resolution": 96, "params": counted.params, "macs": counted.macs,
            "top1": top1, "top1_source": "torchvision", "median_ms": ms, "iqr_ms": 0.05 if ms else None,
            "floor_ms": counted.macs / 5e7 / 2, "meets": None if ms is None else ms <= 4.5,
            "chosen": ms == 4.3,
        })  # fmt: skip
    return {
        "target": "litert:cpu:1",
        "budget_ms": 5.0,
        "margin": 0.1,
        "ceiling_gflops": 99.8,
        "candidates": listed,
    }
