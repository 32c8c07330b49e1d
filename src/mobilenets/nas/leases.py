"""Leases in a database: what a name stands for is held by one process at most, and a dead one holds nothing.

Every change is one statement that says what must hold before it, so no two processes can both succeed. Time
is the database's. A holder that died on this machine is known at once, one elsewhere when its lease ends.
"""

import os
import platform
import threading
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "cast(extract(epoch from clock_timestamp()) as double precision)",
}

_LIVING: set[str] = set()  # owners in this process that were not closed


class Leases:
    """What this process holds until `seconds` after its last sign of life, which a thread gives.

    Every method raises what SQLAlchemy raises.
    """

    def __init__(self, engine: Any, seconds: float) -> None:
        """Make the table where it is missing."""
        from sqlalchemy import Float, MetaData, literal_column

        self.engine, self.seconds = engine, seconds
        self.owner = f"{_place()}@{_process(os.getpid())}@{uuid.uuid4().hex[:8]}"
        self.now = literal_column(NOW[engine.dialect.name], Float)
        metadata = MetaData()
        self.table = _table(metadata)
        metadata.create_all(engine)
        self._closed = threading.Event()
        _LIVING.add(self.owner)
        self._thread: threading.Thread | None = None

    def take(self, name: str) -> bool:
        """Hold a name that nobody alive holds; whether that succeeded."""
        from sqlalchemy import insert, select, update
        from sqlalchemy.exc import IntegrityError

        self._live()
        here, until = self.table.c.name == name, self.now + self.seconds
        with self.engine.connect() as connection:
            before = connection.execute(select(self.table.c.owner).where(here)).scalar()
        if before is not None:
            change = update(self.table).where(here, self.table.c.owner == before)
            if before != self.owner and not dead(before):
                change = change.where(self.table.c.until < self.now)
            taken = self.table.c.taken + 1
            return self._changed(change.values(owner=self.owner, until=until, taken=taken)) == 1
        try:
            self._changed(insert(self.table).values(name=name, owner=self.owner, until=until, taken=1))
        except IntegrityError:  # another process was faster
            return False
        return True

    def keep(self, name: str) -> bool:
        """Hold a name for another while; False where it was lost."""
        return self._keep(self.table.c.name == name) == 1

    def drop(self, name: str) -> None:
        """Hold a name no longer, and forget how often it was taken."""
        from sqlalchemy import delete

        self._changed(delete(self.table).where(self.table.c.name == name, self.table.c.owner == self.owner))

    def taken(self, name: str) -> int:
        """How often a name was taken since it was dropped last."""
        from sqlalchemy import select

        with self.engine.connect() as connection:
            wanted = select(self.table.c.taken).where(self.table.c.name == name)
            return int(connection.execute(wanted).scalar() or 0)

    def close(self) -> None:
        """Drop everything."""
        from sqlalchemy import delete

        self._closed.set()
        _LIVING.discard(self.owner)
        if self._thread is not None:
            self._thread.join()
        self._changed(delete(self.table).where(self.table.c.owner == self.owner))

    def _live(self) -> None:
        """Have the thread run."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beats, daemon=True)
            self._thread.start()

    def _beats(self) -> None:
        """Keep all that is held, three times while a lease lasts."""
        from sqlalchemy.exc import SQLAlchemyError

        while not self._closed.wait(self.seconds / 3):
            with suppress(
                SQLAlchemyError
            ):  # the next may succeed; whoever lost a lease learns it from `keep`
                self._keep()

    def _keep(self, *which: Any) -> int:
        """Hold those of one's own that are meant for another while; how many they are."""
        from sqlalchemy import update

        mine = update(self.table).where(self.table.c.owner == self.owner, *which)
        return self._changed(mine.values(until=self.now + self.seconds))

    def _changed(self, statement: Any) -> int:
        """How many rows a statement changed, in a transaction of its own."""
        with self.engine.begin() as connection:
            return int(connection.execute(statement).rowcount)


def _table(metadata: Any) -> Any:
    """Beside Optuna's tables, which have no place for an owner."""
    from sqlalchemy import Column, Float, Integer, String, Table

    return Table(
        "mobilenets_leases",
        metadata,
        Column("name", String(200), primary_key=True),
        Column("owner", String(500), nullable=False),
        Column("until", Float(53), nullable=False),  # seconds since 1970 by the database's clock
        Column("taken", Integer, nullable=False),
    )


def dead(owner: str) -> bool:
    """Whether an owner lived on this machine and does so no longer."""
    place, process, _ = owner.rsplit("@", 2)
    if place != _place():
        return False
    if process == _process(os.getpid()):
        return owner not in _LIVING
    return process != _process(int(process.split(":")[0]))


@cache
def _place() -> str:
    """Where process numbers mean the same: this machine since it was started, this container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return "/".join(parts)


def _process(pid: int) -> str:
    """A process, told from a later one of the same number where /proc says when it began."""
    begun = ""
    try:
        if Path("/proc/self/stat").exists():
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
            begun = "" if status[0] in "ZX" else status[19]
        else:
            os.kill(pid, 0)
            begun = "lives"
    except PermissionError:
        begun = "lives"  # as another user's
    except OSError:
        pass  # there is none
    return f"{pid}:{begun}"
