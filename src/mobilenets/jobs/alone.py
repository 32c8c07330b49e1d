"""Run folders: begun by one process, and one at a time at work in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mobilenets.base.console import is_first, say
from mobilenets.base.errors import ConfigMismatch, StorageError, UsageError
from mobilenets.base.files import cache_folder
from mobilenets.base.run import Run, came_to_nothing, clear, open_run


def check_out(out: Path, data: str | Path) -> None:
    """Raise UsageError for a new run folder among the images, which would be taken for some of them."""
    from mobilenets.data.listing import is_visible, split_folders

    root, place = Path(data).resolve(), out.resolve()
    if place == root and not Run(out).config.exists():
        raise UsageError(f"the run folder {out} has the place of the data; give another --out")
    if not root.is_dir() or not place.is_relative_to(root) or Run(out).config.exists():
        return
    read = list(split_folders(root).values()) or [root]
    if all(map(is_visible, place.relative_to(root).parts)) and any(map(place.is_relative_to, read)):
        raise UsageError(f"the run folder {out} lies among the images of {data}; give another --out")


def begun(folder: Path, config: dict[str, Any]) -> Run:
    """The run in `folder`, as `open_run` has it; one of other settings that came to nothing is begun anew, as
    where a budget could not be met and another one is given.

    Raises as `open_run` and `alone`.
    """
    run = Run(folder)
    try:
        return open_run(folder, config)
    except ConfigMismatch:
        if not is_first() or not came_to_nothing(run):
            raise
    with alone(run):
        clear(run)
    say(f"{folder} holds a run with other settings that came to nothing; it is begun anew")
    return open_run(folder, config)


@contextmanager
def alone(run: Run, *, wait: bool = False) -> Iterator[Run]:
    """The run, in which no other process is within such a block: they would take each other's files for
    theirs. What the processes of one training (`torchrun`) do, they do together.

    Raises UsageError where another one is there, unless this one is to `wait`; StorageError.
    """
    from filelock import FileLock, Timeout

    if not is_first():
        yield run
        return
    lock = FileLock(run.folder / ".lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise UsageError(
                    f"another process is at work in {run.folder}; wait until it ends, or use another --out"
                ) from None
            say(f"waiting for another process in {run.folder}")
            lock.acquire()
    except OSError as error:
        raise StorageError(f"{run.folder} cannot be locked ({error.strerror}); use another --out") from error
    try:
        yield run
    finally:
        lock.release()


@contextmanager
def measuring() -> Iterator[None]:
    """Within, no other process on this machine measures times: they would disturb each other.

    Where the cache folder cannot be written, nobody is waited for.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(cache_folder() / "measuring.lock", is_singleton=True)
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("waiting for another process that measures on this machine")
            lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()
