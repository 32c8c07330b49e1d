"""How labelled images lie on disk: class folders, class folders per split, or a CSV."""

import csv
from collections.abc import Iterator
from pathlib import Path

from mobilenets.base.errors import DataError
from mobilenets.data import boxes, masks
from mobilenets.data.dataset import ANNOTATED, SPLITS, Sample
from mobilenets.data.findings import Finding, is_plain, shown
from mobilenets.data.images import SUFFIXES, has_image_suffix
from mobilenets.data.listing import (
    ALL,
    ARCHIVES,
    SPLIT_NAMES,
    LayoutError,
    Listing,
    entries,
    relative,
    split_folders,
    walk,
)


def find_listing(source: Path) -> Listing[Sample]:
    """The listing of a dataset, whatever its layout, ready to be split.

    Raises DataError when `source` is missing, has no known layout, or has classes that cannot be trained on.
    """
    try:
        other = guess(source)
    except LayoutError:
        other = "classify"  # whose reader says what is wrong
    if other in ANNOTATED:
        things = "boxes" if other == "detect" else "masks"
        raise LayoutError(f"{source} is laid out as images with {things}", f"give --task {other}")
    listing = read_listing(source)
    if fault := next(faults(listing), None):
        raise LayoutError(fault.message, fault.fix)
    return listing


def read_listing(source: Path) -> Listing[Sample]:
    """The listing of a dataset as it lies on disk, `faults` included.

    Raises DataError when `source` is missing, LayoutError when its layout cannot be made out.
    """
    try:
        if source.is_dir():
            return read_folder(source)
        if not source.exists():
            raise DataError(f"{source} does not exist; give a folder of images or a CSV")
        if source.suffix.lower() == ".csv":
            return read_csv(source)
    except OSError as error:
        problem = f"{error.filename} cannot be read: {error.strerror}"
        raise LayoutError(problem, "check its permissions") from error
    if source.suffix.lower() in ARCHIVES:
        raise LayoutError(f"{source} is an archive", "unpack it and give the folder")
    raise LayoutError(f"{source} is neither a folder nor a .csv file")


def read_folder(root: Path) -> Listing[Sample]:
    """Class folders below `root`, or below its train and val or test folders. Raises LayoutError, OSError."""
    trees = _split_folders(root) or {ALL: root}
    classes = {split: _class_folders(tree) for split, tree in trees.items()}
    labels = tuple(sorted({folder.name for folders in classes.values() for folder in folders}))
    index = {label: i for i, label in enumerate(labels)}
    inside = {folder: list(walk(folder)) for folders in classes.values() for folder in folders}
    images = {folder: list(filter(has_image_suffix, paths)) for folder, paths in inside.items()}
    if not any(images.values()):
        raise LayoutError(f"{root} holds no image ({', '.join(SUFFIXES)})")
    files = {
        split: tuple(Sample(path, index[folder.name]) for folder in folders for path in images[folder])
        for split, folders in classes.items()
    }
    empty = tuple(folder for folder, paths in images.items() if not paths)
    others = [path for paths in inside.values() for path in paths if not has_image_suffix(path)]
    return Listing(root, labels, files, empty, (*_strays(root, trees), *others))


def read_csv(path: Path) -> Listing[Sample]:
    """The rows path,label[,split] of a CSV, paths relative to its folder. Raises LayoutError, OSError."""
    try:
        rows = list(_rows(path))
    except (UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{path} is not a CSV in UTF-8 ({error})", "save it as one") from error
    if not rows:
        raise LayoutError(f"{path} lists no image", "give one row per image: path,label")
    labels = tuple(sorted({label for _, label, _ in rows}))
    index = {label: i for i, label in enumerate(labels)}
    files = {
        name: tuple(Sample(image, index[label]) for image, label, split in rows if split == name)
        for name in (ALL, *SPLITS)
    }
    found = {name: samples for name, samples in files.items() if samples}
    if not found.keys() & {ALL, "train"}:
        raise LayoutError(f"{path} has no row with the split train", "training needs some")
    return Listing(path.parent, labels, found)


def faults(listing: Listing[Sample]) -> Iterator[Finding]:
    """What keeps a listing from being trained on."""
    for folder in listing.empty:
        name = relative(listing, folder)
        message = f"class folder {name} holds no image"
        yield Finding("empty-class", "error", name, message, "add images or remove it")
    if len(listing.labels) < 2:
        yield _one_class(listing)
    for label in listing.labels:
        if not is_plain(label):
            message = f"class name {shown(label)} is not valid UTF-8 or has control characters"
            yield Finding("unreadable-name", "error", "", message, "rename it")
    trained = {sample.label for sample in listing.files.get(ALL) or listing.files["train"]}
    for split, samples in listing.files.items():
        first = {sample.label: sample for sample in reversed(samples) if sample.label not in trained}
        for index, sample in sorted(first.items()):
            message = f"class {shown(listing.labels[index])} is in {split} but not in train"
            fix = "add training images of it or remove it"
            yield Finding("unknown-class", "error", relative(listing, sample.path), message, fix)


def guess(source: Path) -> str:
    """The task that a dataset is laid out for. Raises LayoutError, OSError."""
    try:
        if boxes.layout_of(source) not in (None, "signs"):
            return "detect"
        return "segment" if masks.layout_of(source) not in (None, "signs") else "classify"
    except OSError:
        return "classify"  # whose reader says what is wrong


def remarks(listing: Listing[Sample]) -> Iterator[Finding]:
    """What lies in the folder and belongs to no class, and classes that look like splits."""
    for path in listing.unused:
        name = relative(listing, path)
        if has_image_suffix(path) or path.is_dir():
            yield Finding("unused", "warning", name, "lies in no class folder", "move it into one")
        else:
            message = f"is not named like an image ({', '.join(SUFFIXES)})"
            yield Finding("not-an-image", "warning", name, message, "convert it or move it out")
    if ALL in listing.files and (inner := _alike(listing)):
        message = f"classes {', '.join(map(shown, listing.labels))} each hold the folders {', '.join(inner)}"
        fix = "if they are splits and these the classes, rename them train, val and test"
        yield Finding("splits", "warning", "", message, fix)


def _alike(listing: Listing[Sample]) -> list[str]:
    """The folders that every class has in common, where all their images lie in these."""
    inside: dict[int, set[str]] = {}
    for sample in listing.files[ALL]:
        parts = sample.path.relative_to(listing.root).parts
        if len(parts) < 3:
            return []
        inside.setdefault(sample.label, set()).add(parts[1])
    first, *others = inside.values()
    return sorted(map(shown, first)) if len(first) > 1 and all(other == first for other in others) else []


def _one_class(listing: Listing[Sample]) -> Finding:
    """The finding for a lone class, pointing one level down where that looks like the dataset."""
    label = listing.labels[0]
    inner = listing.root / label
    nested = inner.is_dir() and _holds_folders(inner)
    fix = f"classification needs at least two{f' (is {inner} the dataset?)' if nested else ''}"
    return Finding("one-class", "error", "", f"{listing.root} has only one class ({shown(label)})", fix)


def _holds_folders(folder: Path) -> bool:
    """Whether a folder has folders in it."""
    return any(entry.is_dir() for entry in entries(folder))


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders named for splits, where they are that rather than classes that happen to be called so."""
    found = split_folders(root)
    alone = len(found) == sum(entry.is_dir() for entry in entries(root))
    if "train" in found and (alone or len(found) > 1 or _holds_folders(found["train"])):
        return {split: found[split] for split in SPLITS if split in found}
    if found and alone:
        raise LayoutError(f"{root} has the splits {', '.join(sorted(found))} but no train folder")
    return {}


def _class_folders(tree: Path) -> list[Path]:
    """The folders directly below `tree`. Raises LayoutError when there are none."""
    there = entries(tree)
    folders = [entry for entry in there if entry.is_dir()]
    if not folders:
        held = "images" if any(map(has_image_suffix, there)) else "files" if there else "nothing"
        raise LayoutError(f"{tree} holds {held} and no class folders" if there else f"{tree} is empty")
    return folders


def _strays(root: Path, trees: dict[str, Path]) -> list[Path]:
    """Images beside class folders or split folders, and folders beside split folders."""
    places = sorted({root, *trees.values()})
    there = [entry for place in places for entry in entries(place)]
    images = [entry for entry in there if has_image_suffix(entry) and entry.is_file()]
    if ALL in trees:
        return images
    folders = [entry for entry in entries(root) if entry.is_dir() and entry not in trees.values()]
    return [*images, *folders]


def _rows(path: Path) -> Iterator[tuple[Path, str, str]]:
    """Image, label and split of each row. Raises LayoutError, UnicodeDecodeError, csv.Error."""
    lines: dict[Path, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        reader.fieldnames = columns = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"path", "label"} <= set(columns):
            problem = f"{path} has the columns {', '.join(columns) or 'none'}"
            raise LayoutError(problem, "it needs path and label, and may have split")
        for row in reader:
            where = f"{path} line {reader.line_num}"
            if None in row or None in row.values():
                raise LayoutError(f"{where} has not the {len(columns)} columns of the header", "correct it")
            image, label, split = _row(where, path.parent, {name: cell.strip() for name, cell in row.items()})
            if image in lines:
                problem = f"{where} repeats line {lines[image]} ({image.name})"
                raise LayoutError(problem, "list each image once")
            lines[image] = reader.line_num
            yield image, label, split


def _row(where: str, root: Path, cells: dict[str, str]) -> tuple[Path, str, str]:
    """Image, label and split in the cells of one row. Raises LayoutError."""
    image = root / cells["path"]
    if not cells["path"] or not image.is_file():
        raise LayoutError(f"{where} names {cells['path']!r}, which is not a file", f"paths start at {root}")
    if not image.is_relative_to(root) or ".." in image.relative_to(root).parts:
        raise LayoutError(f"{where} names {cells['path']!r} outside {root}", "put the CSV above the images")
    if not cells["label"]:
        raise LayoutError(f"{where} has an empty label", "give every image its class")
    split = SPLIT_NAMES.get(cells["split"].lower()) if "split" in cells else ALL
    if split is None:
        raise LayoutError(f"{where} has the split {cells['split']!r}", "known: train, val, test")
    return image, cells["label"], split
