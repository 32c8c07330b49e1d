"""Where records can lie, a SQLite file or a database on a PostgreSQL server, and how they are opened."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mobilenets.base.errors import MissingPackage, StorageError, UsageError, needs, shown
from mobilenets.base.masking import masked

KINDS = "give a file, or postgresql://USER:PASSWORD@HOST/DATABASE"
PATIENCE = 60  # seconds to wait for another process that writes to the same file
REACH = 10  # seconds to wait for a server
Made = TypeVar("Made")


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
        raise UsageError(f"{shown(masked(storage))} is no place for a record; {KINDS}") from None
    if kind not in ("sqlite", "postgresql") or not url.database:
        given = kind if url.database else masked(storage)
        raise UsageError(f"a record cannot be kept in {shown(given)}; {KINDS}")
    return url.set(drivername=f"postgresql+{_driver()}") if url.drivername == "postgresql" else url


def place(url: Any) -> str:
    """A URL as it may stand in a message: without its password; of a file, its path."""
    if url.get_backend_name() == "sqlite":
        return str(Path(url.database).resolve())
    return masked(str(url.set(drivername="postgresql").render_as_string(hide_password=True)))


@contextmanager
def storing(where: str) -> Iterator[None]:
    """Turn whatever a database refuses into one line. Raises StorageError."""
    with needs("optuna", "search"):
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError, OSError, RuntimeError, AssertionError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause or type(error).__name__)
        raise StorageError(
            f"the record in {where} cannot be used: {' '.join(reason.split())}; what it holds stays; "
            "put that right, then run the same command again to go on"
        ) from error


def reach(url: Any) -> None:
    """Raise StorageError for a server that cannot be reached, or a file in a folder that is not there, before
    work is done that it should keep.
    """
    if url.get_backend_name() == "sqlite" and not Path(url.database).absolute().parent.is_dir():
        raise StorageError(f"{place(url)} lies in no folder that is there; make it, or correct --storage")
    if url.get_backend_name() == "postgresql":
        with storing(place(url)):
            opened_at(url)[1].dispose()


def opened_at(url: Any) -> tuple[Any, Any]:
    """Optuna's storage, which remembers what ended, and the engine below. Raises MissingPackage."""
    with needs("optuna", "search"):
        import optuna
        from optuna.storages import RDBStorage, get_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    text = url.render_as_string(hide_password=False)
    storage = tried_again(partial(RDBStorage, text, _options(url)))
    return get_storage(storage), storage.engine


def tried_again(make: Callable[[], Made]) -> Made:
    """What makes tables, tried again where it finds them half made, as by another driver at this moment."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

    for late in range(5):
        try:
            return make()
        except (SQLAlchemyError, AssertionError) as error:
            half = isinstance(error, IntegrityError | ProgrammingError | AssertionError)
            if not half and "already exists" not in str(error):
                raise
            time.sleep(0.1 * 2**late)
    return make()


def _options(url: Any) -> dict[str, Any]:
    """How an engine for the URL is made."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": PATIENCE, "factory": File}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": REACH}}


class File(sqlite3.Connection):
    """A file that need not wait for the disk: a kill loses nothing, a power cut the last moments."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._write_ahead()
        self.execute("PRAGMA synchronous=NORMAL")

    def _write_ahead(self) -> None:
        """Have changes written to a log first. SQLite itself does not wait for others with this, so we do."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return


def _driver() -> str:
    """The installed package that speaks to PostgreSQL. Raises MissingPackage."""
    from importlib.util import find_spec

    for name in ("psycopg", "psycopg2"):
        if find_spec(name):
            return name
    raise MissingPackage(
        "neither psycopg nor psycopg2 is installed; for PostgreSQL: pip install 'mobilenets[postgres]'"
    )
