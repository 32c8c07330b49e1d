"""YOLO: a text per image with lines of class, centre, width and height as shares of the image; a data.yaml.

A line of more numbers is an outline; its extent is the box. An image without a text has no things on it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from mobilenets.base.errors import shown as quoted
from mobilenets.data.boxes.drawn import SHARES, Drawn
from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.data.findings import Finding, shown
from mobilenets.data.images import has_image_suffix
from mobilenets.data.listing import (
    ALL,
    SPLIT_NAMES,
    LayoutError,
    Listing,
    below,
    broken,
    child,
    distinct,
    entries,
    gather,
    missing_image,
    read_names,
    split_folders,
    unannotated,
    unlisted_class,
    walk,
)

SHEET = "data.yaml"
NAMES = ("classes.txt", "obj.names", "labels.txt")
LARGEST = 1_000_000  # bytes of a data.yaml
FIX = "give names as a list, or as a dictionary from 0 on"


class Sheet(NamedTuple):
    """A data.yaml: class names, and what it gives for each split."""

    labels: tuple[str, ...]
    splits: dict[str, list[str]]
    findings: list[Finding]


def found(source: Path) -> bool:
    """Whether there is such a data set: a YAML with names, or texts beside images or in labels."""
    if source.is_file():
        return source.suffix.lower() in (".yaml", ".yml")
    return source.is_dir() and (_sheet_of(source) is not None or any(_texts(source)))


def read(source: Path) -> Listing[Drawn]:
    """What is there. Raises LayoutError, OSError."""
    root = source if source.is_dir() else source.parent
    path = _sheet_of(source)
    sheet = _sheet(path) if path else Sheet(_names(root), {}, [])
    places = _listed(root, path, sheet) if path and sheet.splits else _trees(root)
    images = {split: list(dict.fromkeys(paths)) for split, paths in places.items()}
    items = [(split, _drawn(root, image, sheet.labels)) for split, paths in images.items() for image in paths]
    remarks = [*sheet.findings, *_alone(root, {image for paths in images.values() for image in paths})]
    remarks += [
        unannotated(shown(image.relative_to(root).as_posix()), "text", "taken as an image without things")
        for paths in images.values()
        for image in paths
        if not text_of(root, image).is_file()
    ]
    return gather(root, sheet.labels, items, remarks)


def text_of(root: Path, image: Path) -> Path:
    """The text of an image: in `labels` where it lies in `images`, else beside it."""
    parts = image.relative_to(root).with_suffix(".txt").parts
    places = [i for i, part in enumerate(parts[:-1]) if part.lower() == "images"]
    if not places:
        return root.joinpath(*parts)
    before, after = parts[: places[-1]], parts[places[-1] + 1 :]
    folder = child(root.joinpath(*before), "labels") or root.joinpath(*before, "labels")
    return folder.joinpath(*after)


def _sheet_of(source: Path) -> Path | None:
    """The YAML that names the classes, or None."""
    if source.is_file():
        return source
    there = [entry for entry in entries(source) if entry.suffix.lower() in (".yaml", ".yml")]
    named = [path for path in there if path.stat().st_size < LARGEST and b"names:" in path.read_bytes()]
    return next((path for path in named if path.name == SHEET), named[0] if named else None)


def _texts(root: Path) -> Iterator[Path]:
    """Texts in folders called labels, or beside an image, of a folder or of its splits."""
    trees = [root, *split_folders(root).values()]
    for tree in trees:
        if labels := child(tree, "labels"):
            yield from (path for path in walk(labels) if path.suffix.lower() == ".txt")
        there = entries(tree)
        stems = {path.stem for path in there if has_image_suffix(path)}
        yield from (path for path in there if path.suffix.lower() == ".txt" and path.stem in stems)


def _sheet(path: Path) -> Sheet:
    """A data.yaml. Raises LayoutError when it does not serve, OSError."""
    try:
        if path.stat().st_size > LARGEST:
            raise LayoutError(f"{path} has more than {LARGEST} bytes", "give a data.yaml")
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = shown(" ".join(str(error).split()))
        raise LayoutError(f"{path} cannot be read as YAML ({reason})", "correct it") from error
    if not isinstance(content, dict):
        raise LayoutError(f"{path} holds no names", FIX)
    if "kpt_shape" in content:
        fix = "give labels with boxes: class, centre, width and height"
        raise LayoutError(f"{path} is of points of a pose (kpt_shape)", fix)
    labels = _labels(path, content.get("names"))
    findings = []
    if content.get("nc", len(labels)) != len(labels):
        message = f"says nc: {quoted(content['nc'])} and has {len(labels)} names"
        findings.append(Finding("class-list", "warning", path.name, message, "correct nc: the names count"))
    base = content.get("path")
    inner = below(path.parent, base) if isinstance(base, str) else None  # a folder that may be its own
    prefix = f"{base}/" if inner and inner.is_dir() else ""
    splits = {}
    for name, given in content.items():
        if split := SPLIT_NAMES.get(str(name).lower()):
            lines = given if isinstance(given, list) else [given] if given else []
            splits[split] = [prefix + line for line in map(str, lines)]
    return Sheet(labels, {split: lines for split, lines in splits.items() if lines}, findings)


def _labels(path: Path, names: Any) -> tuple[str, ...]:
    """Class names in order, from a list or from a dictionary. Raises LayoutError."""
    if isinstance(names, dict):
        keys = {int(key): name for key, name in names.items() if str(key).isdecimal()}
        if sorted(keys) != list(range(len(names))):
            raise LayoutError(f"{path} has the names {quoted(names)}", FIX)
        names = [keys[key] for key in sorted(keys)]
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise LayoutError(f"{path} has the names {quoted(names)}", FIX)
    if any(isinstance(name, bool) for name in names):
        fix = "put names such as on, off, yes and no in quotes: YAML takes them for true and false"
        raise LayoutError(f"{path} has the names {quoted(names)}", fix)
    return distinct([str(name).strip() for name in names], path)


def _names(root: Path) -> tuple[str, ...]:
    """Class names where there is no YAML. Raises LayoutError."""
    for place in (root, child(root, "labels")):
        if place and (path := child(place, *NAMES)):
            return distinct(read_names(path), path)
    raise LayoutError(f"{root} has no {SHEET}", "add one with the names of the classes, in order")


def _trees(root: Path) -> dict[str, list[Path]]:
    """The images of each split, by folders alone."""
    images = child(root, "images")
    inner = split_folders(images) if images else {}
    outer = {split: child(tree, "images") or tree for split, tree in split_folders(root).items()}
    trees = inner or outer or {ALL: images or root}
    return {split: list(filter(has_image_suffix, walk(tree))) for split, tree in trees.items()}


def _listed(root: Path, path: Path, sheet: Sheet) -> dict[str, list[Path]]:
    """The images of each split as the YAML gives them. Raises LayoutError."""
    files: dict[str, list[Path]] = {}
    for split, lines in sheet.splits.items():
        places = [_place(root, line) for line in lines]
        if None in places and split != "test":
            fix = f"give folders or lists below {root}"
            raise LayoutError(f"{path} gives {split}: {quoted(lines)}, which is not there", fix)
        if None in places:  # as services write it that export no test split
            message = f"gives {split}: {quoted(lines)}, which is not there"
            sheet.findings.append(Finding("missing-split", "warning", path.name, message, "correct it"))
            continue
        files[split] = [image for place in places if place for image in _images(root, place)]
    if list(files) == ["train"] and not _names_split(sheet.splits["train"][0]):
        return {ALL: files["train"]}
    return files


def _place(root: Path, line: str) -> Path | None:
    """What a line of the YAML means below the root; exports have ../ before what lies beside them."""
    absolute = Path(line)
    if absolute.is_absolute():
        return (
            absolute
            if absolute.is_relative_to(root) and ".." not in absolute.parts and absolute.exists()
            else None
        )
    parts = [part for part in PurePosixPath(line.replace("\\", "/")).parts if part != "."]
    while parts and parts[0] == "..":
        parts = parts[1:]
    place = below(root, "/".join(parts)) if parts else root
    return place if place and place.exists() else None


def _images(root: Path, place: Path) -> Iterator[Path]:
    """The images in a folder, or named by the lines of a list. Raises LayoutError."""
    if place.is_dir():
        yield from filter(has_image_suffix, walk(place))
        return
    for line in read_names(place):
        inner = Path(line).relative_to(root).as_posix() if Path(line).is_relative_to(root) else line
        image = below(root, inner)
        if image is None:
            raise LayoutError(f"{place} names {quoted(line)} outside {root}", "list images below it")
        yield image if image.is_file() else place.parent / image.relative_to(root)


def _names_split(line: str) -> bool:
    """Whether a path has a split among its parts."""
    return any(Path(part).stem.lower() in SPLIT_NAMES for part in PurePosixPath(line).parts)


def _drawn(root: Path, image: Path, labels: Sequence[str]) -> Drawn | Finding:
    """The boxes of one image, or why there are none."""
    text = text_of(root, image)
    where = shown(text.relative_to(root).as_posix())
    if not image.is_file():
        return missing_image(where, image.name)
    if not text.is_file():
        return Drawn(image, shown(image.relative_to(root).as_posix()), (), SHARES)
    boxes = []
    try:
        for number, line in enumerate(text.read_text(encoding="utf-8-sig").splitlines(), 1):
            if line.strip():
                boxes.append(_box(number, line))
    except ValueError as error:
        return broken(where, error)
    if strange := next((box.label for box in boxes if not 0 <= box.label < len(labels)), None):
        return unlisted_class(where, strange, f"the list of {len(labels)} names")
    return Drawn(image, where, tuple(boxes), SHARES)


def _box(number: int, line: str) -> Box:
    """The box of one line, in shares. Raises ValueError."""
    first, *rest = line.split()
    values = [float(value) for value in rest]
    if not float(first).is_integer():
        raise ValueError(f"line {number} begins with {first!r}, not with a class number")
    label = int(float(first))
    if len(values) == 4:
        x, y, width, height = values
        return Box(label, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(values) < 6 or len(values) % 2:
        raise ValueError(
            f"line {number} has {len(rest)} numbers after the class, not 4 or those of an outline"
        )
    return Box(label, min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))


def _alone(root: Path, images: set[Path]) -> Iterator[Finding]:
    """A finding for each text among those of the images that belongs to none."""
    texts = {text_of(root, image) for image in images}
    for folder in sorted({text.parent for text in texts}):
        if not folder.is_dir() or "labels" not in folder.relative_to(root).as_posix().lower().split("/"):
            continue
        for path in entries(folder):
            if path.suffix.lower() == ".txt" and path not in texts and path.name not in NAMES:
                yield missing_image(shown(path.relative_to(root).as_posix()), path.stem)


def write(folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, BoxedSample]]) -> None:
    """Texts and a data.yaml in `folder`, whose images are in place. Crowd and difficult are lost.

    `files` has the samples of each split by the name of their image.
    """
    for split, samples in files.items():
        for name, sample in samples.items():
            text = text_of(folder, folder / image_place(split, name))
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("".join(_line(box, sample) for box in sample.boxes), encoding="utf-8")
    splits = {"train": "images"} if ALL in files else {split: f"images/{split}" for split in files}
    sheet = {**splits, "nc": len(labels), "names": dict(enumerate(labels))}
    content = yaml.safe_dump(sheet, sort_keys=False, allow_unicode=True)
    (folder / SHEET).write_text(content, encoding="utf-8")


def image_place(split: str, name: str) -> str:
    """Where an image lies below the folder."""
    return f"images/{name}" if split == ALL else f"images/{split}/{name}"


def _line(box: Box, sample: BoxedSample) -> str:
    """One box as YOLO has it."""
    w, h = sample.width, sample.height
    middle = ((box.x1 + box.x2) / 2 / w, (box.y1 + box.y2) / 2 / h)
    shares = (*middle, (box.x2 - box.x1) / w, (box.y2 - box.y1) / h)
    return " ".join([str(box.label), *(f"{share:.8f}" for share in shares)]) + "\n"
