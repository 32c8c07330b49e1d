"""What every reader of a layout gives, and how they walk: nothing hidden, nothing outside the root."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Generic

from typing_extensions import TypeVar

from mobilenets.base.errors import DataError
from mobilenets.data.findings import Finding, is_plain, shown

ALL = "all"
CALLED = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
SPLIT_NAMES = {
    f"{name}{more}": split
    for split, names in CALLED.items()
    for name in names
    for more in ("", "set", "_set", "-set", " set", "_data", "-data", " data")
}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
LAYOUT = (
    "expected FOLDER/CLASS/IMAGE with one folder per class, "
    "or the same below FOLDER/train and FOLDER/val or FOLDER/test, or a CSV with the columns path,label"
)
Listed = TypeVar("Listed", default=Any)


class LayoutError(DataError):
    """A folder or file whose layout cannot be made out: the `problem`, and the `fix` for it."""

    def __init__(self, problem: str, fix: str = LAYOUT) -> None:
        """Join both into one line."""
        super().__init__(f"{problem}; {fix}")
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True)
class Listing(Generic[Listed]):
    """What was found under `root`: class names in order and the samples of each split.

    `files` has the one key "all", or "train" and perhaps "val" and "test". `empty` are class folders without
    an image, `unused` are files and folders that belong to no class or are no image. `findings` came up while
    reading annotations; each that is an error stands for one image that is not in `files`.
    """

    root: Path
    labels: tuple[str, ...]
    files: dict[str, tuple[Listed, ...]] = field(hash=False)
    empty: tuple[Path, ...] = ()
    unused: tuple[Path, ...] = ()
    findings: tuple[Finding, ...] = ()


def relative(listing: Listing, path: Path) -> str:
    """A path below the dataset's root, printable."""
    return shown(path.relative_to(listing.root).as_posix())


def refuse_other(source: Path, wanted: str) -> None:
    """Raise for a source that is no folder: DataError when missing, LayoutError naming what is `wanted`."""
    if source.is_dir():
        return
    if not source.exists():
        raise DataError(f"{source} does not exist; give {wanted}")
    if source.suffix.lower() in ARCHIVES:
        raise LayoutError(f"{source} is an archive", "unpack it and give the folder")
    raise LayoutError(f"{source} is a file", f"give {wanted}")


def entries(folder: Path) -> list[Path]:
    """What a folder holds, by name, without clutter."""
    return sorted(entry for entry in folder.iterdir() if is_visible(entry.name))


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, by name, without clutter; links to folders are given, not followed."""
    for place, folders, names in os.walk(folder, onerror=_refuse):
        names += [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = sorted(filter(is_visible, folders))
        yield from (Path(place, name) for name in sorted(names) if is_visible(name))


def _refuse(error: OSError) -> None:
    """Let a folder that cannot be listed be known; by default `os.walk` passes over it."""
    raise error


def is_visible(name: str) -> bool:
    """Whether a file name is more than what systems leave behind."""
    return not name.startswith(".") and name not in CLUTTER


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders in `folder` that are named for splits. Raises LayoutError for two of one split."""
    found: dict[str, Path] = {}
    for entry in entries(folder) if folder.is_dir() else ():
        split = SPLIT_NAMES.get(entry.name.lower())
        if split and entry.is_dir():
            if split in found:
                raise LayoutError(f"{found[split]} and {entry} both name the split {split}", "keep one")
            found[split] = entry
    return found


def child(folder: Path, *names: str) -> Path | None:
    """The first entry of a folder that has one of these names in any case, or None."""
    there = {entry.name.lower(): entry for entry in entries(folder)} if folder.is_dir() else {}
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def below(folder: Path, name: str) -> Path | None:
    """The path that `name` from an annotation means below `folder`; None where it would lead out of it."""
    path = PurePosixPath(name.replace("\\", "/"))
    drive = bool(path.parts) and re.match("[A-Za-z]:", path.parts[0]) is not None
    if not name or not is_plain(name) or path.is_absolute() or ".." in path.parts or drive:
        return None
    return folder / path


def in_order(files: dict[str, tuple[Listed, ...]], root: Path) -> dict[str, tuple[Listed, ...]]:
    """The splits that hold something, train first. Raises LayoutError when there is none to train on."""
    found = {split: files[split] for split in (ALL, "train", "val", "test") if files.get(split)}
    if not found:
        raise LayoutError(
            f"{root} has no annotated image", "check that images and annotations belong together"
        )
    if not found.keys() & {ALL, "train"}:
        raise LayoutError(
            f"{root} has the splits {', '.join(found)} but no train", "training needs some images"
        )
    return found


def read_names(path: Path) -> list[str]:
    """The lines of a text file that hold something. Raises LayoutError when it is not text, OSError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise LayoutError(f"{path} is not text in UTF-8", "save it as such") from error
    return [line.strip() for line in lines if line.strip()]


def distinct(names: list[str], path: Path) -> tuple[str, ...]:
    """Class names as a tuple. Raises LayoutError when there is none, one twice, or one not printable."""
    if not names:
        raise LayoutError(f"{path} names no class", "list them")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LayoutError(f"{path} names the class {shown(twice[0])!r} twice", "name each class once")
    if odd := [name for name in names if not name or not is_plain(name)]:
        raise LayoutError(
            f"{path} has a class name that is empty or not text: {shown(odd[0])!r}", "rename it"
        )
    return tuple(names)


def gather(
    root: Path,
    labels: tuple[str, ...],
    items: Iterable[tuple[str, Listed | Finding]],
    findings: Iterable[Finding] = (),
) -> Listing[Listed]:
    """The listing of what was read, split by split: samples, and findings in the place of those that failed.

    Raises LayoutError when no sample is left, naming the first failure.
    """
    files: dict[str, list[Listed]] = {}
    remarks = list(findings)
    for split, item in items:
        if isinstance(item, Finding):
            remarks.append(item)
        else:
            files.setdefault(split, []).append(item)
    if not files and (first := next((remark for remark in remarks if remark.level == "error"), None)):
        raise LayoutError(f"{root} has no image to use; first: {first.file} {first.message}", first.fix)
    return Listing(
        root, labels, in_order({k: tuple(v) for k, v in files.items()}, root), findings=tuple(remarks)
    )


def missing_image(where: str, name: str) -> Finding:
    """The finding about an annotation whose image is not there."""
    message = f"belongs to {shown(name)}, which is not there"
    return Finding("missing-image", "error", where, message, "add the image or remove the annotation")


def broken(where: str, reason: object) -> Finding:
    """The finding about an annotation that cannot be read."""
    message = f"cannot be read: {shown(' '.join(str(reason).split()))}"
    return Finding("broken-annotation", "error", where, message, "save it again or remove it with its image")


def unlisted_class(where: str, name: object, listed: str) -> Finding:
    """The finding about an annotation whose class the list does not have."""
    message = f"has the class {shown(name)!r}, which {listed} does not have"
    return Finding("class-list", "error", where, message, f"correct the annotation or {listed}")


def unannotated(where: str, what: str, used: str) -> Finding:
    """The warning about an image without annotation, and how it is taken."""
    fix = f"annotate it or remove it: it is {used}"
    return Finding("unannotated", "warning", where, f"has no {what}", fix)
