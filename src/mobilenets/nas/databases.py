"""Where records can lie: a SQLite file, or a database on a PostgreSQL server."""

import sqlite3
from pathlib import Path
from typing import Any

from mobilenets.base.errors import MissingPackage, UsageError, needs, shown

KINDS = "give a file, or postgresql://USER:PASSWORD@HOST/DATABASE"
PATIENCE = 60  # seconds to wait for another process that writes to the same file
REACH = 10  # seconds to wait for a server


def address(storage: str | Path) -> Any:
    """The SQLAlchemy URL of a file or an address. Raises UsageError for anything else, MissingPackage."""
    with needs("sqlalchemy", "search"):
        from sqlalchemy import URL, make_url
        from sqlalchemy.exc import ArgumentError

    if isinstance(storage, Path) or "://" not in storage:
        return URL.create("sqlite", database=str(storage))
    try:
        url = make_url(storage)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise UsageError(f"{shown(storage)} is no place for a record; {KINDS}") from None
    if kind not in ("sqlite", "postgresql") or not url.database:
        raise UsageError(f"a record cannot be kept in {shown(kind if url.database else storage)}; {KINDS}")
    return url.set(drivername=f"postgresql+{_driver()}") if url.drivername == "postgresql" else url


def place(url: Any) -> str:
    """A URL as it may stand in a message: without its password; of a file, its path."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return str(url.set(drivername="postgresql").render_as_string(hide_password=True))


def options(url: Any) -> dict[str, Any]:
    """How an engine for the URL is made."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": PATIENCE, "factory": _File}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": REACH}}


class _File(sqlite3.Connection):
    """A connection that need not wait for the disk: a kill loses nothing, a power cut the last moments."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def _driver() -> str:
    """The installed package that speaks to PostgreSQL. Raises MissingPackage."""
    from importlib.util import find_spec

    for name in ("psycopg", "psycopg2"):
        if find_spec(name):
            return name
    raise MissingPackage(
        "neither psycopg nor psycopg2 is installed; for PostgreSQL: pip install 'mobilenets[postgres]'"
    )
