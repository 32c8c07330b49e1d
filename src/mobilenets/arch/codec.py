"""Networks as JSON with a schema number. What it writes it reads; what is wrong is named by its path."""

import json
from dataclasses import MISSING, fields
from typing import Any, get_origin

from mobilenets.arch.reading import expect, expect_keys, expect_schema, parse
from mobilenets.arch.spec import HEADS, KINDS, NAMES, Arch, Block, Dialect, Head
from mobilenets.base.errors import ArchError, shown

SCHEMA = 1


def dumps(arch: Arch, indent: int | None = None) -> str:
    """The network as JSON text."""
    return json.dumps(encode(arch), indent=indent)


def loads(text: str | bytes) -> Arch:
    """The network in JSON text. Raises ArchError naming the path of whatever is wrong."""
    return decode(parse(text, "arch"))


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
    expect_schema(document, "arch", SCHEMA)
    expect_keys(document, "arch", known, required=known)
    expect(document["name"], "name", str)
    expect(document["blocks"], "blocks", list)
    blocks = tuple(_block(item, f"blocks[{i}]") for i, item in enumerate(document["blocks"]))
    head = _tagged(document["head"], "head")
    if not isinstance(head, HEADS):
        heads = ", ".join(NAMES[kind] for kind in HEADS)
        raise ArchError(f"head.kind must be one of {heads}, got {document['head']['kind']!r}")
    dialect = _record(Dialect, document["dialect"], "dialect")
    return Arch(document["name"], document["resolution"], blocks, head, dialect)


def _block(item: Any, path: str) -> Block:
    """One block."""
    block = _tagged(item, path)
    if isinstance(block, HEADS):
        raise ArchError(f"{path}.kind must be a block, got {item['kind']!r}")
    return block  # type: ignore[return-value]


def _tagged(item: Any, path: str) -> Block | Head:
    """A record whose `kind` says its class."""
    expect(item, path, dict)
    kind = item.get("kind")
    if type(kind) is not str or kind not in KINDS:
        raise ArchError(f"{path}.kind must be one of {', '.join(KINDS)}, got {shown(kind)}")
    result: Block | Head = _record(KINDS[kind], {k: v for k, v in item.items() if k != "kind"}, path)
    return result


def _record(kind: type, item: Any, path: str) -> Any:
    """A frozen record from its fields, each of the type its annotation says; its objections get the path."""
    expect(item, path, dict)
    required = [field.name for field in fields(kind) if field.default is MISSING]
    expect_keys(item, path, [field.name for field in fields(kind)], required)
    values = {}
    for field in fields(kind):
        if field.name in item:
            several = get_origin(field.type) is tuple
            # what is no class is a choice of words
            wanted = field.type if isinstance(field.type, type) else list if several else str
            expect(item[field.name], f"{path}.{field.name}", wanted)
            values[field.name] = _tuples(item[field.name])
    try:
        return kind(**values)
    except ArchError as error:
        raise ArchError(f"{path}.{error}") from error


def _tuples(value: Any) -> Any:
    """The value with every list in it as a tuple, as frozen records hold them."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(record: Any) -> dict[str, Any]:
    """The fields of a record, as JSON has them."""
    return {field.name: _lists(getattr(record, field.name)) for field in fields(record)}


def _lists(value: Any) -> Any:
    """The value with every tuple in it as a list."""
    return [_lists(item) for item in value] if isinstance(value, tuple) else value
