"""Files that are either whole or absent: written beside, synced, then moved into place."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from mobilenets.base.errors import RunError, StorageError

STALE_SECONDS = 3600


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success sync it and move it over `path` in one step.

    On any failure the temporary file is removed and `path` keeps its old content.
    Raises StorageError when the disk is full, a size limit is hit or the folder cannot be written.
    """
    draft = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")  # threads and machines may share a folder
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot write {path}: {reason}; {_elsewhere(path)}, then run the same command again to go on"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _elsewhere(path: Path) -> str:
    """What helps where a path cannot be written."""
    if path.is_relative_to(cache_folder()):
        return "free some space, or set MOBILENETS_CACHE to a folder that can be written"
    return "free some space or choose another folder"


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left behind; a young draft may belong to a living process."""
    for stale in _drafts(path.parent):
        if stale.name.startswith(f".{path.name}."):
            with suppress(OSError):
                if time.time() - stale.stat().st_mtime > STALE_SECONDS:
                    stale.unlink()


@lru_cache(maxsize=1024)
def _drafts(folder: Path) -> tuple[Path, ...]:
    """The drafts that lay in a folder when this process first wrote there: listing it each time would make
    many files there take a time that grows with its square.
    """
    return tuple(folder.glob(".*.part"))


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; some file systems do not let a folder be opened, which is fine."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `folder` in one step; that may be absent or empty before.

    On any failure nothing is left. Raises StorageError when the disk refuses or `folder` holds something.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep_folders(folder)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            yield draft
            draft.chmod(0o755)
            draft.rename(folder)
            _sync_folder(folder.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"cannot write {folder}: {error.strerror or error}; {_elsewhere(folder)}"
        ) from error


def _sweep_folders(folder: Path) -> None:
    """Remove the drafts of `folder` whose makers were killed."""
    for draft in folder.parent.glob(f".{glob.escape(folder.name)}.*.part"):
        with suppress(OSError):  # another process may just have finished it
            if time.time() - draft.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` atomically. Raises StorageError."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically. Raises StorageError."""
    # File names that are not UTF-8 reach us as lone surrogates; written as \udcXX they are still valid JSON.
    write_bytes(path, content.encode(errors="backslashreplace"))


def write_json(path: Path, document: Any) -> None:
    """Write `document` as indented JSON, atomically. Raises StorageError."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The document in `path`. Raises RunError when it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as JSON ({error}); delete it to have it made again") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: $MOBILENETS_CACHE, else the user's cache folder.

    Raises StorageError for a user who has no home.
    """
    if given := os.environ.get("MOBILENETS_CACHE"):
        return Path(given)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise StorageError("there is no home to keep a cache in; set MOBILENETS_CACHE to a folder") from error
    return Path(base) / "mobilenets"
