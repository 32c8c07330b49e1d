"""Pascal VOC: one XML per image, and lists of names per split.

Its corners count pixels from 1 and include the last: the first pixel alone is 1, 1, 1, 1. A tree with a 0
among its corners counts from 0 instead, and is read as it stands.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from mobilenets.data.boxes.drawn import Drawn
from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.data.findings import Finding, shown
from mobilenets.data.images import has_image_suffix
from mobilenets.data.listing import (
    ALL,
    SPLIT_NAMES,
    Listing,
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

CLASSES = "classes.txt"  # not in the standard: keeps the order of classes, and those without a box
CORNERS = ("xmin", "ymin", "xmax", "ymax")
LISTS = Path("ImageSets") / "Main"


class Thing(NamedTuple):
    """One object of a page."""

    name: str
    corners: tuple[float, ...]
    difficult: bool


class Page(NamedTuple):
    """One XML: the name of its image, the size it claims, its objects."""

    image: str
    size: tuple[float, float] | None
    things: tuple[Thing, ...]


class Tree(NamedTuple):
    """What is known of the whole before the pages are gone through."""

    root: Path
    pages: Mapping[Path, Page | Finding]
    labels: tuple[str, ...]
    first: int  # what the first pixel counts as
    images: Mapping[Path, Path]  # by folder and stem, and by folder and name


def found(root: Path) -> bool:
    """Whether a folder is such a tree: XML in Annotations, or beside the images of it or of its splits."""
    return root.is_dir() and next((path for _, path in _files(root)), None) is not None


def read(root: Path) -> Listing[Drawn]:
    """What the tree lists. Raises LayoutError, OSError."""
    files = list(_files(root))
    pages = {path: _page(path, shown(path.relative_to(root).as_posix())) for _, path in files}
    sound = [page for page in pages.values() if isinstance(page, Page)]
    tree = Tree(root, pages, _labels(root, sound), _first(sound), _images(root))
    lists = read_lists(root / LISTS)
    items = [(split, _drawn(tree, path)) for split, path in (_listed(root, lists) if lists else files)]
    idle = () if lists else _without_page(tree)
    return gather(root, tree.labels, items, idle)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Every XML with the split whose folder it lies in."""
    for split, tree in (split_folders(root) or {ALL: root}).items():
        folder = child(tree, "Annotations")
        there = walk(folder) if folder else entries(tree)
        yield from ((split, path) for path in there if path.suffix.lower() == ".xml")


def read_lists(folder: Path) -> dict[str, list[str]]:
    """The names in each list of images; trainval counts only where there is no train."""
    paths = {split: folder / f"{split}.txt" for split in ("train", "val", "test", "trainval")}
    names = {split: read_names(path) for split, path in paths.items() if path.is_file()}
    whole = names.pop("trainval", None)
    return names if whole is None or "train" in names else {"train": whole, **names}


def _listed(root: Path, lists: Mapping[str, list[str]]) -> Iterator[tuple[str, Path]]:
    """The XML that each line of each list means."""
    folder = child(root, "Annotations") or root
    for split, names in lists.items():
        for name in names:
            stem = Path(name).stem if has_image_suffix(Path(name)) else name
            yield split, folder / f"{stem}.xml"


def _page(path: Path, where: str) -> Page | Finding:
    """One XML, or what is wrong with it."""
    try:
        tree = ET.fromstring(path.read_bytes(), ET.XMLParser(target=_Builder()))  # noqa: S314 - see _Builder
        size = tuple(float(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
        things = tuple(_thing(node) for node in tree.iter("object"))
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        return broken(where, error)
    name = (tree.findtext("filename") or "").strip()
    return Page(name, (size[0], size[1]) if all(size) else None, things)


class _Builder(ET.TreeBuilder):
    """Refuses a document type, and with it every entity that could grow or reach for files."""

    def doctype(self, *_: object) -> None:
        """Stop before anything of it is used."""
        raise ValueError("it declares a document type, which annotations have no use for")


def _thing(node: ET.Element) -> Thing:
    """One object. Raises ValueError."""
    name, frame = (node.findtext("name") or "").strip(), node.find("bndbox")
    if not name:
        raise ValueError("an object has no name")
    if frame is None:
        raise ValueError(f"the object {name!r} has no bndbox")
    corners = tuple(float(frame.findtext(corner) or "nan") for corner in CORNERS)
    return Thing(name, corners, (node.findtext("difficult") or "0").strip() == "1")


def _labels(root: Path, pages: Iterable[Page]) -> tuple[str, ...]:
    """The names in the class list, else those that occur, sorted. Raises LayoutError."""
    if (root / CLASSES).is_file():
        return distinct(read_names(root / CLASSES), root / CLASSES)
    names = sorted({thing.name for page in pages for thing in page.things})
    return distinct(names, child(root, "Annotations") or root)


def _first(pages: Iterable[Page]) -> int:
    """What the first pixel counts as: 1, unless a corner is 0."""
    return 0 if any(0 in thing.corners[:2] for page in pages for thing in page.things) else 1


def _images(root: Path) -> dict[Path, Path]:
    """Every image by its path below its folder, with and without suffix, seen from its split's folder."""
    index: dict[Path, Path] = {}
    for tree in (split_folders(root) or {ALL: root}).values():
        folder = child(tree, "JPEGImages", "images") or tree
        for path in filter(has_image_suffix, walk(folder)):
            name = tree / path.relative_to(folder)
            index[name] = path
            index.setdefault(name.with_suffix(""), path)
    return index


def _drawn(tree: Tree, path: Path) -> Drawn | Finding:
    """The boxes of one page, or why there are none."""
    where = shown(path.relative_to(tree.root).as_posix())
    page = tree.pages.get(path)
    if page is None:
        message = f"is listed in {LISTS.as_posix()} and not there"
        return Finding("missing-annotation", "error", where, message, "add it or take it from the list")
    if isinstance(page, Finding):
        return page
    image = _image(tree, path, page.image)
    if image is None:
        return missing_image(where, page.image or path.stem)
    index = {name: label for label, name in enumerate(tree.labels)}
    if strange := next((thing.name for thing in page.things if thing.name not in index), None):
        return unlisted_class(where, strange, CLASSES)
    boxes = tuple(_box(index[thing.name], thing, tree.first) for thing in page.things)
    return Drawn(image, where, boxes, page.size)


def _image(tree: Tree, path: Path, name: str) -> Path | None:
    """The image of a page: the one it names where that has its stem, else of its stem, else named."""
    folder, below = _place(tree.root, path)
    base = Path(name.replace("\\", "/")).name
    named = folder / below.with_name(base) if base else None
    stem = folder / below.with_suffix("")
    order = (named, stem) if named and named.stem == stem.name else (stem, named)
    return next((tree.images[key] for key in order if key and key in tree.images), None)


def _place(root: Path, path: Path) -> tuple[Path, Path]:
    """The folder of the split (or the root) that a page lies in, and its path below the pages' folder."""
    parts = path.relative_to(root).parts
    split = len(parts) > 1 and parts[0].lower() in SPLIT_NAMES
    folder, rest = (root / parts[0], parts[1:]) if split else (root, parts)
    return folder, Path(*(rest[1:] if rest[0].lower() == "annotations" and len(rest) > 1 else rest))


def _box(label: int, thing: Thing, first: int) -> Box:
    """A box in continuous coordinates: the left edge of the first pixel, the right edge of the last."""
    x1, y1, x2, y2 = thing.corners
    return Box(label, x1 - first, y1 - first, x2, y2, difficult=thing.difficult)


def _without_page(tree: Tree) -> Iterator[Finding]:
    """A warning for each image that no page belongs to."""
    used = {
        _image(tree, path, page.image if isinstance(page, Page) else "") for path, page in tree.pages.items()
    }
    for path in sorted(set(tree.images.values()) - used):
        yield unannotated(shown(path.relative_to(tree.root).as_posix()), "XML", "left out")


def write(folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, BoxedSample]]) -> None:
    """The tree in `folder`, whose images are in place: pages, lists and class names. Crowds become difficult.

    `files` has the samples of each split by the name of their image.
    """
    (folder / "Annotations").mkdir()
    for samples in files.values():
        for name, sample in samples.items():
            text = _xml(name, sample, labels)
            (folder / "Annotations" / f"{Path(name).stem}.xml").write_text(text, encoding="utf-8")
    (folder / CLASSES).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    write_lists(folder / LISTS, files)


def write_lists(folder: Path, files: Mapping[str, Collection[str]]) -> None:
    """A list of names for each split, and trainval; none where there are no splits."""
    if ALL in files:
        return
    folder.mkdir(parents=True)
    both = [*files["train"], *files.get("val", ())]
    for split, names in {**files, "trainval": both}.items():
        lines = "".join(f"{Path(name).stem}\n" for name in names)
        (folder / f"{split}.txt").write_text(lines, encoding="utf-8")


def image_place(split: str, name: str) -> str:  # noqa: ARG001 - all splits share one folder
    """Where an image lies below the folder."""
    return f"JPEGImages/{name}"


def _xml(name: str, sample: BoxedSample, labels: tuple[str, ...]) -> str:
    """The page of one image."""
    size = f"<width>{sample.width}</width><height>{sample.height}</height><depth>3</depth>"
    lines = ["<annotation>", "  <folder>JPEGImages</folder>", f"  <filename>{escape(name)}</filename>"]
    lines += [f"  <size>{size}</size>", "  <segmented>0</segmented>"]
    for box in sample.boxes:
        values = (box.x1 + 1, box.y1 + 1, box.x2, box.y2)
        corners = "".join(f"<{c}>{round(v, 3):.10g}</{c}>" for c, v in zip(CORNERS, values, strict=True))
        lines += ["  <object>", f"    <name>{escape(labels[box.label])}</name>"]
        lines += [f"    <difficult>{int(box.difficult or box.crowd)}</difficult>"]
        lines += [f"    <bndbox>{corners}</bndbox>", "  </object>"]
    return "\n".join([*lines, "</annotation>", ""])
