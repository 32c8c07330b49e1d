"""Networks as JSON with a schema number. What is written can be read; what cannot be is refused with its path."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from mobilenets.arch.spec import KINDS, NAMES, Arch, Block, Classifier, Dialect
from mobilenets.base.errors import ArchError

SCHEMA = 1


def dumps(arch: Arch, indent: int | None = None) -> str:
    """The network as JSON text."""
    return json.dumps(encode(arch), indent=indent)


def loads(text: str | bytes) -> Arch:
    """The network in JSON text. Raises ArchError naming the path of whatever is wrong."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ArchError(f"not JSON: {error}") from error
    return decode(document)


def encode(arch: Arch) -> dict[str, Any]:
    """The network as plain data."""
    return {
        "schema": SCHEMA,
        "name": arch.name,
        "resolution": arch.resolution,
        "dialect": _plain(arch.dialect),
        "blocks": [{"kind": NAMES[type(block)], **_plain(block)} for block in arch.blocks],
        "head": {"kind": NAMES[type(arch.head)], **_plain(arch.head)},
    }


def decode(document: Any) -> Arch:
    """The network in plain data. Raises ArchError naming the path of whatever is wrong."""
    known = ("schema", "name", "resolution", "dialect", "blocks", "head")
    _expect(document, "arch", dict)
    if document.get("schema") != SCHEMA:
        raise ArchError(f"schema must be {SCHEMA}, got {document.get('schema')!r}; written by another version?")
    _same_keys(document, "arch", known, required=known)
    _expect(document["name"], "name", str)
    _expect(document["blocks"], "blocks", list)
    blocks = tuple(_block(item, f"blocks[{i}]") for i, item in enumerate(document["blocks"]))
    head = _tagged(document["head"], "head")
    if not isinstance(head, Classifier):
        raise ArchError(f"head.kind must be classifier, got {document['head']['kind']!r}")
    dialect = _record(Dialect, document["dialect"], "dialect")
    return _at_path("arch", Arch, name=document["name"], resolution=document["resolution"], blocks=blocks, head=head,
                    dialect=dialect)  # fmt: skip


def _block(item: Any, path: str) -> Block:
    """One block."""
    block = _tagged(item, path)
    if isinstance(block, Classifier):
        raise ArchError(f"{path}.kind must be a block, got 'classifier'")
    return block


def _tagged(item: Any, path: str) -> Block | Classifier:
    """A record whose `kind` says its class."""
    _expect(item, path, dict)
    kind = item.get("kind")
    if kind not in KINDS:
        raise ArchError(f"{path}.kind must be one of {', '.join(KINDS)}, got {kind!r}")
    result: Block | Classifier = _record(KINDS[kind], {k: v for k, v in item.items() if k != "kind"}, path)
    return result


def _record(kind: type, item: Any, path: str) -> Any:
    """A frozen record from its fields, each of the type its default or annotation says."""
    _expect(item, path, dict)
    required = [field.name for field in fields(kind) if field.default is MISSING]
    _same_keys(item, path, [field.name for field in fields(kind)], required)
    for field in fields(kind):
        if field.name in item:
            _check_type(field.type, item[field.name], f"{path}.{field.name}")
    return _at_path(path, kind, **item)


def _check_type(annotation: Any, value: Any, path: str) -> None:
    """Raise ArchError unless a JSON value has the type of its field; whole numbers may stand for floats."""
    wanted = annotation if isinstance(annotation, type) else str
    if type(value) is wanted or (wanted is float and type(value) is int):
        return
    raise ArchError(f"{path} must be of type {wanted.__name__}, got {value!r}")


def _at_path(path: str, kind: type, **values: Any) -> Any:
    """Make a record; put the path before whatever it objects to."""
    try:
        return kind(**values)
    except ArchError as error:
        raise ArchError(str(error) if path == "arch" else f"{path}.{error}") from error


def _expect(value: Any, path: str, kind: type) -> None:
    """Raise ArchError unless `value` is a `kind`."""
    if not isinstance(value, kind):
        raise ArchError(f"{path} must be of type {kind.__name__}, got {value!r}")


def _same_keys(item: Mapping[str, Any], path: str, known: Any, required: Any) -> None:
    """Raise ArchError for keys that are unknown or missing."""
    if unknown := [key for key in item if key not in known]:
        raise ArchError(f"{path}.{unknown[0]} is not known; known are {', '.join(known)}")
    if missing := [key for key in required if key not in item]:
        raise ArchError(f"{path}.{missing[0]} is missing")


def _plain(record: Any) -> dict[str, Any]:
    """The fields of a record."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
