"""Reading JSON that others wrote, for codec, preprocess and card: a check names the path of what is wrong."""

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from mobilenets.base.errors import ArchError, shown


def parse(text: str | bytes, what: str) -> Any:
    """The document in JSON text.

    Raises ArchError naming `what` when it is not JSON, is nested too deeply, or holds NaN or infinite
    numbers, which Python would read and others would not.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise ArchError(f"{what} is not JSON: {error}") from error


def expect(value: Any, path: str, kind: type) -> None:
    """Raise ArchError unless a JSON value is exactly a `kind`; a whole number may stand for a float."""
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ArchError(f"{path} must be of type {kind.__name__}, got {shown(value)}")


def expect_each(values: Any, path: str, kind: type) -> None:
    """Raise ArchError unless `values` is a list whose every item is a `kind`."""
    expect(values, path, list)
    for index, value in enumerate(values):
        expect(value, f"{path}[{index}]", kind)


def expect_keys(item: Mapping[str, Any], path: str, known: Iterable[str], required: Iterable[str]) -> None:
    """Raise ArchError for keys that are unknown or missing."""
    names = tuple(known)
    for key in item:
        if key not in names:
            raise ArchError(f"{path} has the unknown key {shown(key)}; known are {', '.join(names)}")
    for key in required:
        if key not in item:
            raise ArchError(f"{path}.{key} is missing")


def expect_schema(document: Any, what: str, schema: int) -> None:
    """Raise ArchError unless `document` is an object of the schema number that this version reads."""
    expect(document, what, dict)
    given = document.get("schema")
    if type(given) is not int or given != schema:
        raise ArchError(f"{what}: schema must be {schema}, got {shown(given)}; written by another version?")


def _finite(text: str) -> float:
    """A JSON number. Raises ValueError for NaN, Infinity and what overflows to it."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is not a number it can hold")
    return number
