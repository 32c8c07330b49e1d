"""Tables from files that others may have written: our JSON, strictly; a CSV of timings from elsewhere."""

import csv
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

from mobilenets.arch import codec
from mobilenets.arch.checks import odd, one_of
from mobilenets.arch.reading import expect, expect_each, expect_keys, expect_schema, parse
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import ArchError, RunError, shown
from mobilenets.bench.pieces import Piece
from mobilenets.bench.table import SCHEMA, Check, Measured, Span, Table, Terms, Way

KEYS = ("schema", "terms", "reference", "reference_ms", "check", "spans", "pieces", "networks")
PIECE = tuple(one.name for one in fields(Piece))
NEEDED = tuple(one.name for one in fields(Piece) if one.default is MISSING)
MEASURED = tuple(one.name for one in fields(Measured))
SLOWEST = 1e7  # ms of one inference; what claims more is a mistake


def read_table(path: Path) -> Table:
    """The table in a file. Raises RunError when there is none, or it is broken."""
    path = Path(path)
    try:
        return decoded(parse(path.read_bytes(), "the table"))
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist; mobilenets latency build makes a table") from error
    except OSError as error:
        raise RunError(
            f"{path} cannot be read ({error.strerror}); give a file of mobilenets latency build"
        ) from error
    except ArchError as error:
        raise RunError(
            f"{path} is not a whole latency table ({error}); build it again in another place"
        ) from error


def decoded(document: Any) -> Table:
    """The table in plain data. Raises ArchError naming the path of whatever is wrong."""
    expect_schema(document, "table", SCHEMA)
    expect_keys(document, "table", KEYS, KEYS)
    for name in ("spans", "pieces", "networks"):
        expect(document[name], name, list)
    reference = None if document["reference"] is None else _arch(document["reference"], "reference")
    return Table(
        _terms(document["terms"]),
        _pieces(document["pieces"]),
        _networks(document["networks"]),
        reference,
        tuple([_span(item, f"spans[{index}]") for index, item in enumerate(document["spans"])]),
        None if document["check"] is None else _check(document["check"]),
    )


def _pieces(items: list[Any]) -> dict[Piece, Measured]:
    """The pieces of a table."""
    pieces: dict[Piece, Measured] = {}
    for index, item in enumerate(items):
        path = f"pieces[{index}]"
        expect(item, path, dict)
        expect_keys(item, path, (*PIECE, *MEASURED), (*NEEDED, "ms"))
        piece = _piece({key: item[key] for key in PIECE if key in item}, path)
        _refuse_again(piece, pieces, path)
        pieces[piece] = _measured({key: item[key] for key in MEASURED if key in item}, path)
    return pieces


def _networks(items: list[Any]) -> dict[Arch, Measured]:
    """The whole networks of a table."""
    networks: dict[Arch, Measured] = {}
    for index, item in enumerate(items):
        path = f"networks[{index}]"
        expect(item, path, dict)
        expect_keys(item, path, ("arch", *MEASURED), ("arch", "ms"))
        arch = _arch(item["arch"], path)
        _refuse_again(arch, networks, path)
        networks[arch] = _measured({k: v for k, v in item.items() if k != "arch"}, path)
    return networks


def _refuse_again(key: Piece | Arch, entries: Mapping[Any, Measured], path: str) -> None:
    """Raise ArchError for an entry that was there before."""
    if key in entries:
        raise ArchError(f"{path} is there twice: {key if isinstance(key, Piece) else shown(key.name)}")


def read_csv(path: Path, terms: Terms) -> Table:
    """A table from a CSV of timings that were measured elsewhere, on `terms`.

    Columns are the fields of `bench.pieces.Piece` (kind, side, cin, cout needed; sizes as numbers with spaces
    between) and of `Measured` (ms needed); docs/latency.md describes them.
    Raises RunError naming the line of whatever is wrong.
    """
    path = Path(path)
    pieces: dict[Piece, Measured] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            _check_columns(rows.fieldnames or ())
            for row in rows:
                where = f"line {rows.line_num}"
                _check_row(row, where)
                given = {key: value.strip() for key, value in row.items() if value.strip()}
                piece = _piece(
                    {key: _of_text(key, given[key], where) for key in PIECE if key in given}, where
                )
                _refuse_again(piece, pieces, where)
                values = {key: _of_text(key, given[key], where) for key in MEASURED if key in given}
                pieces[piece] = _measured(values, where)
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); give a CSV of timings") from error
    except (ArchError, csv.Error, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {error}; the columns are in docs/latency.md") from error
    if not pieces:
        raise RunError(f"{path} holds no timings; the columns are in docs/latency.md")
    return Table(terms, pieces)


def _check_columns(names: Any) -> None:
    """Raise ArchError for columns that are unknown, missing or there twice."""
    expect_keys(dict.fromkeys(names), "the first line", (*PIECE, *MEASURED), (*NEEDED, "ms"))
    if len(set(names)) < len(names):
        raise ArchError("the first line names a column twice")


def _check_row(row: dict[Any, Any], where: str) -> None:
    """Raise ArchError for a row with more or fewer cells than columns."""
    if None in row or None in row.values():
        raise ArchError(f"{where} has not as many columns as the first")


def _of_text(name: str, text: str, where: str) -> Any:
    """A cell as JSON would have it."""
    try:
        if name in ("kind", "padding", "activation", "date"):
            return text
        if name == "sizes":
            return [int(number) for number in text.split()]
        return float(text) if name in ("ms", "spread_ms", "reference_ms") else int(text)
    except ValueError as error:
        raise ArchError(f"{where}: {name} cannot be {shown(text)}") from error


def _piece(item: dict[str, Any], path: str) -> Piece:
    """A piece."""
    expect_keys(item, path, PIECE, NEEDED)
    for name, value in item.items():
        expect(
            value,
            f"{path}.{name}",
            list if name == "sizes" else str if name in ("kind", "padding", "activation") else int,
        )
    if "sizes" in item:
        item = {**item, "sizes": tuple(item["sizes"])}
    try:
        return Piece(**item)
    except ArchError as error:
        raise ArchError(f"{path}.{error}") from error


def _measured(item: dict[str, Any], path: str) -> Measured:
    """What was measured of one."""
    if "ms" not in item:
        raise ArchError(f"{path}.ms is missing")
    for name, kind in (
        ("ms", float),
        ("spread_ms", float),
        ("runs", int),
        ("date", str),
        ("reference_ms", float),
    ):
        if name in item and not (name == "reference_ms" and item[name] is None):
            expect(item[name], f"{path}.{name}", kind)
    least = {"ms": 1e-9, "reference_ms": 1e-9, "spread_ms": 0.0, "runs": 1}
    for name, bound in least.items():
        if item.get(name) is not None and not bound <= item[name] <= SLOWEST:
            raise ArchError(f"{path}.{name} must be a time or count above 0, got {shown(item[name])}")
    return Measured(**item)


def _span(item: Any, path: str) -> Span:
    """What a table is meant for."""
    expect(item, path, dict)
    expect_keys(item, path, ("way", "kernels", "arch"), ("way", "kernels", "arch"))
    expect(item["way"], f"{path}.way", str)
    one_of(f"{path}.way", item["way"], get_args(Way))
    expect_each(item["kernels"], f"{path}.kernels", int)
    for kernel in item["kernels"]:
        odd(f"{path}.kernels", kernel)
    return Span(_arch(item["arch"], f"{path}.arch"), item["way"], tuple(item["kernels"]))


def _check(item: Any) -> Check:
    """What the last check gave."""
    names = tuple(one.name for one in fields(Check))
    expect(item, "check", dict)
    expect_keys(item, "check", names, names)
    for name in names:
        expect(item[name], f"check.{name}", {"n": int, "date": str}.get(name, float))
    return Check(**item)


def _arch(item: Any, path: str) -> Arch:
    """A network."""
    try:
        return codec.decode(item)
    except ArchError as error:
        raise ArchError(f"{path}: {error}") from error


def _terms(item: Any) -> Terms:
    """The terms."""
    names = tuple(one.name for one in fields(Terms))
    expect(item, "terms", dict)
    expect_keys(item, "terms", names, names)
    for name in names:
        expect(item[name], f"terms.{name}", {"threads": int, "versions": dict}.get(name, str))
    for key, value in item["versions"].items():
        expect(value, f"terms.versions.{key}", str)
    return Terms(**{**item, "versions": tuple(sorted(item["versions"].items()))})
