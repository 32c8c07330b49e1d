"""COCO JSON, as far as boxes and masks share it: which documents there are, their images and classes."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from mobilenets.base.errors import shown as quoted
from mobilenets.data.findings import Finding, shown
from mobilenets.data.images import has_image_suffix
from mobilenets.data.listing import (
    ALL,
    SPLIT_NAMES,
    LayoutError,
    below,
    child,
    distinct,
    entries,
    missing_image,
    unannotated,
)

INSIDE = (b'"images"', b'"annotations"', b'"categories"')
SPLIT = re.compile(r"(?:^|[^a-z])(train|validation|valid|val|test)(?:[^a-z]|$)")
FIX = "export the annotations again as COCO JSON"


class Entry(NamedTuple):
    """One image of a document and its annotations, as they stand there."""

    name: str
    size: tuple[float, float] | None
    annotations: list[dict[str, Any]]


class Document(NamedTuple):
    """One JSON: its split, its images by id, its categories' names by id, what is wrong with it.

    `heads` are names that categories give as their supercategory.
    """

    path: Path
    split: str
    images: dict[Any, Entry]
    categories: dict[Any, str]
    heads: set[str]
    findings: list[Finding]


def root_of(source: Path) -> Path:
    """The folder that a source's images lie under: itself, or where a JSON lies, outside `annotations`."""
    if source.is_dir():
        return source
    return source.parent.parent if source.parent.name.lower() == "annotations" else source.parent


def files(source: Path) -> dict[str, Path]:
    """The JSON of each split, or of all. Raises LayoutError when two files are for one split."""
    found: dict[str, Path] = {}
    for path in _candidates(source):
        split = _split(path, root_of(source))
        if split in found:
            fix = "keep one, or give the file that is meant"
            raise LayoutError(f"{found[split]} and {path} are both for {split}", fix)
        found[split] = path
    if ALL in found and len(found) > 1:
        raise LayoutError(f"{found[ALL]} lies beside files of splits", "keep the one or the others")
    return found


def _candidates(source: Path) -> list[Path]:
    """The JSON files that are COCO's, those called instances_* before others."""
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" else []
    folders = [source, *(entry for entry in entries(source) if entry.is_dir() and _is_place(entry))]
    there = [entry for folder in folders for entry in entries(folder) if entry.suffix.lower() == ".json"]
    ours = [path for path in there if path.is_file() and _looks_right(path)]
    return [path for path in ours if path.name.startswith("instances")] or ours


def _is_place(folder: Path) -> bool:
    """Whether a folder is one that annotations lie in."""
    return folder.name.lower() == "annotations" or folder.name.lower() in SPLIT_NAMES


def _looks_right(path: Path) -> bool:
    """Whether a JSON has the three lists, or cannot be told because it is cut short."""
    content = path.read_bytes()
    return path.name == "_annotations.coco.json" or all(key in content for key in INSIDE)


def _split(path: Path, root: Path) -> str:
    """The split that a JSON is for, by its name or its folder's."""
    named = SPLIT.search(path.stem.lower())
    folder = path.parent.name.lower() if path.parent != root else ""
    return SPLIT_NAMES[named.group(1)] if named else SPLIT_NAMES.get(folder, ALL)


def read(path: Path, split: str) -> Document:
    """One JSON. Raises LayoutError when it is none or has not the three lists, OSError."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        reason = shown(" ".join(str(error).split()))
        raise LayoutError(f"{path} cannot be read as JSON ({reason})", FIX) from error
    lists = content if isinstance(content, dict) else {}
    for key in ("images", "annotations", "categories"):
        if not isinstance(lists.get(key), list) or not all(isinstance(item, dict) for item in lists[key]):
            raise LayoutError(f"{path} has no list of objects {key!r}", FIX)
    document = Document(
        path, split, {}, _categories(lists["categories"], path), _heads(lists["categories"]), []
    )
    for item in lists["images"]:
        _add_image(document, item)
    for item in lists["annotations"]:
        _add_annotation(document, item)
    document.findings[:] = dict.fromkeys(document.findings)  # an image is missing once, whatever was on it
    return document


def _categories(items: Sequence[dict[str, Any]], path: Path) -> dict[Any, str]:
    """Names by id, in the order of ids. Raises LayoutError."""
    for item in items:
        if not isinstance(item.get("id"), int) or not isinstance(item.get("name"), str):
            raise LayoutError(f"{path} has a category without id or name: {quoted(item)}", FIX)
    return {item["id"]: item["name"].strip() for item in sorted(items, key=lambda item: item["id"])}


def _heads(items: Sequence[dict[str, Any]]) -> set[str]:
    """The names that other categories are grouped under."""
    pairs = ((item.get("supercategory"), item["name"]) for item in items)
    return {head for head, name in pairs if isinstance(head, str) and head != name}


def _add_image(document: Document, item: dict[str, Any]) -> None:
    """Take an image in, or remark why not."""
    name, key, size = item.get("file_name"), item.get("id"), (item.get("width"), item.get("height"))
    if not isinstance(name, str) or not isinstance(key, int | str) or key in document.images:
        message = f"has an image without file_name or an id of its own: {quoted(item)}"
        document.findings.append(Finding("broken-annotation", "error", document.path.name, message, FIX))
        return
    claim = tuple(float(side) for side in size if is_number(side) and side > 0)
    document.images[key] = Entry(name, (claim[0], claim[1]) if len(claim) == 2 else None, [])


def _add_annotation(document: Document, item: dict[str, Any]) -> None:
    """Put an annotation to its image, or remark that there is none."""
    key = item.get("image_id")
    entry = document.images.get(key) if isinstance(key, int | str) else None
    if entry is None:
        where = document.path.name
        document.findings.append(missing_image(where, f"image_id {quoted(key)}"))
    else:
        entry.annotations.append(item)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a JSON is a number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def labels_of(documents: Sequence[Document]) -> tuple[str, ...]:
    """Class names by id, those of train first; one that only heads others and has no annotation is none.

    Raises LayoutError when there is none.
    """
    names: list[str] = []
    for document in documents:
        groups = (entry.annotations for entry in document.images.values())
        used = {item.get("category_id") for group in groups for item in group if is_key(item, "category_id")}
        names += [
            name for key, name in document.categories.items() if key in used or name not in document.heads
        ]
    return distinct(list(dict.fromkeys(names)), documents[0].path)


def read_all(source: Path) -> list[Document]:
    """Every document of a source, train first. Raises LayoutError, OSError."""
    found = files(source)
    return [read(found[split], split) for split in (ALL, "train", "val", "test") if split in found]


def is_key(item: dict[str, Any], field: str) -> bool:
    """Whether a field holds what can be an id."""
    return isinstance(item.get(field), int | str)


class Images:
    """Where the images of the documents lie."""

    def __init__(self, root: Path) -> None:
        """Nothing is looked at yet."""
        self.root = root
        self.used: set[Path] = set()
        self.known: dict[Path, list[Path]] = {}

    def of(self, document: Document, name: str) -> Path | None:
        """The image of a name, or None where it leads outside or to nothing."""
        place = below(self.root, name)
        if place is None:
            return None
        inner = place.relative_to(self.root)
        for folder in self._folders(document):
            for path in (folder / inner, folder / inner.name):
                if path.is_file():
                    self.used.add(path)
                    return path
        return None

    def idle(self) -> Iterator[Finding]:
        """A warning for each image that lies among those of the documents and is in none."""
        for folder in sorted({path.parent for path in self.used}):
            for path in entries(folder):
                if has_image_suffix(path) and path not in self.used and path.is_file():
                    where = shown(path.relative_to(self.root).as_posix())
                    yield unannotated(where, "entry in the JSON", "left out")

    def _folders(self, document: Document) -> list[Path]:
        """Where the images of a document may lie, likeliest first."""
        if document.path not in self.known:
            self.known[document.path] = list(self._guesses(document))
        return self.known[document.path]

    def _guesses(self, document: Document) -> Iterator[Path]:
        """Beside the JSON, in folders named for its split, in the images folder, at the root."""
        beside = document.path.parent
        yield beside
        for top in (self.root, child(self.root, "images"), child(beside, "images")):
            if top is None or not top.is_dir():
                continue
            for entry in entries(top):
                named = SPLIT.search(entry.name.lower())
                if named and SPLIT_NAMES[named.group(1)] == document.split and entry.is_dir():
                    yield entry
                    yield from filter(None, [child(entry, "images")])
            yield top
