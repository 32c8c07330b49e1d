"""Write src/mobilenets/weights/published.json: what torchvision and timm state of their weights.

Addresses, licences, classes and preprocessing come from the installed packages, torchvision's accuracies too;
timm's are from its results/results-imagenet.csv, of which timm-results.csv here holds the rows for these
networks. Weights of networks that the zoo cannot say are left out and printed.
Run: python docs/weights/collect.py
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import timm
from torchvision import models

from mobilenets.arch.preprocess import Preprocess, encode
from mobilenets.arch.zoo import names
from mobilenets.base.files import write_text

TARGET = Path(__file__).parents[2] / "src" / "mobilenets" / "weights" / "published.json"
RESULTS = Path(__file__).with_name("timm-results.csv")
TIMM_PATTERNS = (
    "mobilenet*", "mnasnet*", "semnasnet*", "tf_mobilenetv3*", "efficientnet_lite*", "tf_efficientnet_lite*",
)  # fmt: skip
NOT_OURS = re.compile("mobilenetv5")
TORCHVISION = (
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0",
    "mnasnet1_3",
)  # fmt: skip
LICENCES = {"apache-2.0": "Apache-2.0"}
Entry = dict[str, Any]


def entries() -> list[Entry]:
    """Every published file of a network that the zoo has."""
    return [entry for entry in (*_torchvision(), *_timm()) if entry["model"] in names()]


def left_out() -> list[str]:
    """The published files of networks that the zoo cannot say."""
    return [entry["name"] for entry in (*_torchvision(), *_timm()) if entry["model"] not in names()]


def text() -> str:
    """The content of published.json."""
    return json.dumps(entries(), indent=1) + "\n"


def _torchvision() -> Iterator[Entry]:
    """The weights enums; the quantised ones hold packed integers, not weights of a float network."""
    for model in TORCHVISION:
        for weights in models.get_model_weights(model):
            shown, reached = weights.transforms(), weights.meta["_metrics"]["ImageNet-1K"]
            record = Preprocess(
                shown.crop_size[0], shown.resize_size[0], shown.interpolation.value, tuple(shown.mean),
                tuple(shown.std),
            )  # fmt: skip
            yield {
                "name": f"torchvision/{model}.{weights.name.lower()}",
                "model": model,
                "url": weights.url,
                "hub": None,
                "sha256": _digits(weights.url),
                "licence": "BSD-3-Clause",
                "classes": len(weights.meta["categories"]),
                "top1": reached["acc@1"],
                "top5": reached["acc@5"],
                "source": "torchvision.models, weights metadata",
                "preprocess": encode(record),
            }


def _timm() -> Iterator[Entry]:
    """Every tag of the patterns, at the input side its weights were trained for."""
    figures = _figures()
    tags = [tag for pattern in TIMM_PATTERNS for tag in timm.list_pretrained(pattern)]
    for tag in sorted({tag for tag in tags if not NOT_OURS.match(tag)}):
        stated = timm.get_pretrained_cfg(tag)
        side = stated.input_size[1]
        record = Preprocess(
            side, int(side / stated.crop_pct), stated.interpolation, tuple(stated.mean), tuple(stated.std)
        )
        top1, top5 = figures.get((tag, side), (None, None))
        yield {
            "name": f"timm/{tag}",
            "model": stated.architecture,
            "url": stated.url or None,
            "hub": stated.hf_hub_id,
            "sha256": _digits(stated.url) if stated.url else None,
            "licence": LICENCES[stated.license],
            "classes": stated.num_classes,
            "top1": top1,
            "top5": top5,
            "source": "timm results/results-imagenet.csv" if top1 else None,
            "preprocess": encode(record),
        }


def _figures() -> dict[tuple[str, int], tuple[float, float | None]]:
    """Top-1 and top-5 in per cent by tag and side."""
    with RESULTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row["tag"], int(row["side"])): (float(row["top1"]), float(row["top5"]) if row["top5"] else None)
        for row in rows
    }


def _digits(url: str) -> str:
    """The leading digits of the SHA-256, which both publishers put into the file name."""
    return PurePosixPath(url).stem.rpartition("-")[2]


if __name__ == "__main__":
    write_text(TARGET, text())
    print(*left_out(), sep="\n")
