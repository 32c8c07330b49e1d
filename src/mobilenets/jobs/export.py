"""`mobilenets export`: a verified file for a runtime."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import card as cards
from mobilenets.base.console import say
from mobilenets.base.errors import DataError, UnknownName, UsageError
from mobilenets.base.run import find_run, read
from mobilenets.jobs.subject import SUFFIX, Asked, network_for, sample_pixels
from mobilenets.runtimes.target import check_precision

LISTS = (".csv", ".json", ".yaml", ".yml")  # files that name images

if TYPE_CHECKING:
    from mobilenets.exporters import Exported


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
    The file goes to `out`, by default to model.tflite in the run's exports folder (model-FORM.tflite for a
    form that is not the first, so that what `fit` verified stays) or ./NAME.tflite. The images come from
    `data`, else from those of the run, else from the embedded data set.
    Raises UsageError, RunError, WeightsError, ExportError, ParityError.
    """
    from mobilenets import exporters

    if to not in SUFFIX:
        raise UnknownName("export format", to, SUFFIX)
    check_precision(precision)
    asked = Asked(str(model), weights, width, resolution, dialect)
    network, card = network_for(asked)
    if asked.is_name and weights is None:
        say(f"no --weights were given: the file holds {model} untrained")
    given = exporters.form_of(card, to, form)
    other = given if given != exporters.form_of(card, to) else ""
    path = Path(out) if out else _place(asked, network.arch.name, other, SUFFIX[to])
    if path.suffix.lower() != SUFFIX[to]:
        raise UsageError(f"a file for {to} ends in {SUFFIX[to]}, got --out {path}")
    source = find_run(Path(model)).weights if Path(model).is_dir() else Path(model)
    if path.resolve() == source.resolve():
        raise UsageError(f"{path} is the file that would be exported; give another --out")
    samples = sample_pixels(card.preprocess, _images(asked, card.task, data))
    exported = exporters.export(network, card, path, to, samples, form=form)
    _tell_metric(asked, exported)
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


def _place(asked: Asked, name: str, form: str, suffix: str) -> Path:
    """Where the file goes when nobody says; `form` is told where it is not the usual one."""
    path, tail = Path(asked.model), f"-{form}{suffix}" if form else suffix
    if path.is_dir():
        return find_run(path).exports / f"model{tail}"
    if path.is_file():
        return path.with_name(path.stem + tail)
    parts = [name, asked.width and f"w{asked.width:g}", asked.resolution and f"{asked.resolution}", form]
    return Path(re.sub(r"[^\w.]+", "_", "_".join(part for part in parts if part)) + suffix)


def _tell_metric(asked: Asked, exported: "Exported") -> None:
    """Where the file takes the place of the one that the run verified, and is the same network in the same
    form, have it say what that one reached.
    """
    from mobilenets.exporters import write_card

    path = Path(asked.model)
    if not path.is_dir():
        return
    run = find_run(path)
    result = read(run.result, {})
    verified = result and (run.folder / result["artifact"]).resolve() == exported.path.resolve()
    if verified and result["outputs"] == exported.card.outputs:
        reached = (result["metric"], result["value"], result["n"], result["split"])
        write_card(exported.path, cards.with_metric(exported.card, *reached))


def _images(asked: Asked, task: str, data: str | Path | None) -> list[Path] | None:
    """Images to compare on: those of `data`, those the run was trained and tested on, or None.

    Raises DataError for data without any that can be read.
    """
    from mobilenets.data.formats import find_listing
    from mobilenets.data.images import inspect
    from mobilenets.data.load import find_source, read_annotated
    from mobilenets.jobs.predict import image_files

    if data is not None:
        source = find_source(str(data))
        suffix = source.suffix.lower()
        if suffix in LISTS and not source.is_dir():
            listing = find_listing(source) if suffix == ".csv" else read_annotated(source, task)[0]
            images = [sample.path for samples in listing.files.values() for sample in samples]
        else:
            images = image_files([source])
        if not any(not inspect(image).problem for image in images):
            raise DataError(f"no image of {data} can be read; give others, or leave --data out")
        return images
    if Path(asked.model).is_dir():
        result = read(find_run(Path(asked.model)).dataset, {})
        root = Path(result.get("root", ""))
        if result and root.is_dir():
            with suppress(DataError):  # nothing is there any more
                return image_files([root])
    return None
