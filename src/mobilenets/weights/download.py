"""Published weights fetched once, checked against their hash, kept in the cache folder or the hub's own."""

import hashlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import urlopen

from mobilenets.base import files
from mobilenets.base.console import progress, say
from mobilenets.base.errors import MissingPackage, WeightsError
from mobilenets.weights.registry import HUB_FILE, Published

CHUNK = 1 << 18  # bytes per step of the progress bar
PATIENCE = 20.0  # seconds without a byte before the server is given up


def cached(entry: Published) -> Path:
    """Where the file of `entry` is kept, whether or not it is there."""
    return files.cache_folder() / "weights" / entry.file


def fetch(entry: Published) -> Path:
    """The file of `entry`, downloaded at the first call and checked against its hash at every call.

    What lies on the Hugging Face hub alone is checked against the name that the hub gives it.
    Raises WeightsError when it cannot be had or is not what was published, StorageError when the disk
    refuses it. A failed download leaves nothing behind.
    """
    if entry.url is None or entry.sha256 is None:
        return _from_hub(entry)
    path = cached(entry)
    if path.is_file() and files.sha256(path).startswith(entry.sha256):
        return path
    say(f"downloading {entry.name} from {entry.url}")
    digest = hashlib.sha256()
    with files.replacing(path) as draft, draft.open("wb") as file:
        for chunk in _chunks(entry, path):
            digest.update(chunk)
            file.write(chunk)
        if not digest.hexdigest().startswith(entry.sha256):
            raise WeightsError(
                f"{entry.url} sent a file with SHA-256 {digest.hexdigest()[:16]}..., published is "
                f"{entry.sha256}...; try again, or use another network if a proxy changes what it sends"
            )
    return path


def _from_hub(entry: Published) -> Path:
    """The file of `entry` in the hub's cache. Raises WeightsError."""
    try:
        from mobilenets.weights.hub import download
    except MissingPackage as error:  # for the caller, weights like any others that cannot be had
        raise WeightsError(f"{entry.name} lies on the Hugging Face hub alone, and {error}") from error
    return download(str(entry.hub), HUB_FILE)


def _chunks(entry: Published, path: Path) -> Iterator[bytes]:
    """The file in pieces, under a progress bar. Raises WeightsError for whatever the network does."""
    try:
        with urlopen(str(entry.url), timeout=PATIENCE) as response, progress() as bar:  # noqa: S310 - our own list
            size = int(response.headers.get("Content-Length") or 0)
            task = bar.add_task(f"{entry.name} (KB)", total=size // 1024 or None)
            got = 0
            for chunk in _read(response):
                got += len(chunk)
                bar.update(task, completed=got // 1024)
                yield chunk
    except HTTPError as error:
        raise WeightsError(
            f"{entry.url} answers {error.code} ({error.reason}); look for {entry.file} elsewhere and give it "
            "as --weights FILE"
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{entry.name} cannot be downloaded ({reason}); go online, or put {entry.url} at {path}"
        ) from error
    if got < size:
        raise WeightsError(f"{entry.url} broke off after {got} of {size} bytes; try again")


def _read(response: IO[bytes]) -> Iterator[bytes]:
    """The body in pieces of CHUNK bytes."""
    while chunk := response.read(CHUNK):
        yield chunk
