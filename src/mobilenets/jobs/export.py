"""`mobilenets export`: a verified file for a runtime."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from mobilenets.base.errors import DataError, UnknownName, UsageError
from mobilenets.base.run import find_run
from mobilenets.jobs.subject import SUFFIX, Asked, network_for, sample_pixels

PRECISIONS = ("float32",)


def export(
    model: str | Path,
    *,
    to: str = "litert",
    precision: str = "float32",
    form: str | None = None,
    out: str | Path | None = None,
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    data: str | Path | None = None,
) -> dict[str, Any]:
    """Write a model as a file for a runtime and compare the two on real images before the file takes its
    place.

    `model` is a run folder, a .safetensors file or the name of a network (with `weights`, else untrained).
    `form` says what the file gives, where its task leaves a choice: a detector "nms", "plain" or
    "mediapipe", a segmenter "scores" or "argmax" (docs/files.md); if not given, the first of these that the
    runtime has.
    The file goes to `out`, by default into the run's exports folder or ./NAME.tflite. The images come from
    `data`, else from those of the run, else from the embedded data set.
    Raises UsageError, RunError, WeightsError, ExportError, ParityError.
    """
    from mobilenets import exporters

    if to not in SUFFIX:
        raise UnknownName("export format", to, SUFFIX)
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} cannot be exported yet; known: {', '.join(PRECISIONS)}")
    asked = Asked(str(model), weights, width, resolution, dialect)
    network, card = network_for(asked)
    path = Path(out) if out else _place(asked, network.arch.name, SUFFIX[to])
    if path.suffix.lower() != SUFFIX[to]:
        raise UsageError(f"a file for {to} ends in {SUFFIX[to]}, got --out {path}")
    samples = sample_pixels(card.preprocess, _images(asked, data))
    exported = exporters.export(network, card, path, to, samples, form=form)
    parity = exported.parity
    return {
        "model": str(model),
        "artifact": str(exported.path),
        "format": to,
        "precision": precision,
        "form": exported.card.outputs,
        "bytes": exported.path.stat().st_size,
        "parity": {"n": parity.n, "max_abs": parity.max_abs, "agreement": parity.agreement},
    }


def _place(asked: Asked, name: str, suffix: str) -> Path:
    """Where the file goes when nobody says."""
    path = Path(asked.model)
    if path.is_dir():
        return find_run(path).exports / f"model{suffix}"
    if path.is_file():
        return path.with_suffix(suffix)
    parts = [name, asked.width and f"w{asked.width:g}", asked.resolution and f"{asked.resolution}"]
    return Path(re.sub(r"[^\w.]+", "_", "_".join(part for part in parts if part)) + suffix)


def _images(asked: Asked, data: str | Path | None) -> list[Path] | None:
    """Images to compare on: those of `data`, those the run was trained and tested on, or None."""
    from mobilenets.base.run import read
    from mobilenets.data.load import find_source
    from mobilenets.jobs.predict import image_files

    if data is not None:
        return image_files([find_source(str(data))])
    if Path(asked.model).is_dir():
        result = read(find_run(Path(asked.model)).dataset, {})
        root = Path(result.get("root", ""))
        if result and root.is_dir():
            with suppress(DataError):  # nothing is there any more
                return image_files([root])
    return None
