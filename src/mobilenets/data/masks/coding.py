"""Class lists of masks: what each value, or each colour, stands for."""

import re
from pathlib import Path
from typing import NamedTuple

from mobilenets.base.errors import shown as quoted
from mobilenets.data.dataset import IGNORED, UNKNOWN, Coding
from mobilenets.data.listing import LayoutError, child, distinct, read_names

CLASSES = "classes.txt"
LISTS = (CLASSES, "label_colors.txt", "labelmap.txt", "class_dict.csv", "codes.txt", "labels.txt")
VOID = ("void", "ignore", "ignored", "unlabeled", "unlabelled")  # names of what is no class
VALUES = 256
FIX = "give one class per line: NAME, or R G B NAME for masks in colour"
COLOUR = re.compile(
    r"(?:(?P<before>[^,:;]*?)[\s,:;]+)?(?P<r>\d{1,3})[\s,;]+(?P<g>\d{1,3})[\s,;]+(?P<b>\d{1,3})"
    r"(?:[\s,:;]+(?P<after>.*?))?[\s:]*"
)
NUMBERED = re.compile(r"(\d{1,3})[\s,:;]+(.+)")


class Classes(NamedTuple):
    """Class names in order, what values mean, and the value just past the list where that counts as void."""

    labels: tuple[str, ...]
    coding: Coding
    past: int | None = None


def list_in(root: Path) -> Path | None:
    """The class list in a folder, or None."""
    path = child(root, *LISTS)
    return path if path and path.is_file() else None


def read_classes(path: Path, past: bool = True) -> Classes:
    """The class list in a file: names by value from 0 on (see `by_value`), or colours with names.

    Raises LayoutError, OSError.
    """
    lines = [line for line in read_names(path) if not line.startswith("#")]
    if path.suffix.lower() == ".csv" and lines and not re.search(r"\d", lines[0]):
        lines = lines[1:]
    coloured = [COLOUR.fullmatch(line) for line in lines]
    if lines and all(coloured):
        return _by_colour(path, [match for match in coloured if match])
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    if lines and [match and int(match[1]) for match in numbered] == list(range(len(lines))):
        lines = [match[2] for match in numbered if match]
    return by_value(lines, path, past)


def by_value(names: list[str], path: Path, past: bool = False) -> Classes:
    """The classes whose values are their places. 255 is void, with `past` also the value after the last.

    Raises LayoutError.
    """
    if len(names) >= UNKNOWN:
        raise LayoutError(f"{path} names {len(names)} classes", f"masks can tell {UNKNOWN - 1} apart")
    labels = distinct([name for name in names if not is_void(name)], path)
    table = bytearray([UNKNOWN]) * VALUES
    table[IGNORED] = IGNORED
    if past:
        table[len(names)] = IGNORED
    for value, name in enumerate(names):
        table[value] = IGNORED if is_void(name) else labels.index(name)
    return Classes(labels, Coding(bytes(table)), len(names) if past else None)


def is_void(name: str) -> bool:
    """Whether a name says that its pixels are of no class."""
    return name.casefold() in VOID


def _by_colour(path: Path, rows: list[re.Match[str]]) -> Classes:
    """The classes of a list with colours; several colours may share a name. Raises LayoutError."""
    names = [(row["after"] or row["before"] or "").strip(" \t,:;") for row in rows]
    colours = [(int(row["r"]), int(row["g"]), int(row["b"])) for row in rows]
    if bad := next((row[0] for row, colour in zip(rows, colours, strict=True) if max(colour) > 255), None):
        raise LayoutError(f"{path} has {quoted(bad)}, a colour beyond 255", FIX)
    if len(set(colours)) < len(colours) or len(colours) >= UNKNOWN:
        raise LayoutError(f"{path} has a colour twice, or more than {UNKNOWN - 1}", "give each class its own")
    labels = distinct(list(dict.fromkeys(name for name in names if not is_void(name))), path)
    table = bytearray([UNKNOWN]) * VALUES
    for value, name in enumerate(names):
        table[value] = IGNORED if is_void(name) else labels.index(name)
    return Classes(labels, Coding(bytes(table), tuple(colours)))
