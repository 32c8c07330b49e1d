"""Vectors of images on disk: one npz or parquet file, and the rows of one that is not finished."""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.base.errors import DataError, RunError, StorageError, UsageError, needs, shown
from mobilenets.base.files import read_json, replacing, write_json

SUFFIXES = (".npz", ".parquet")
NEITHER = "is not a whole file of vectors"


@dataclass(frozen=True)
class Vectors:
    """Unit vectors float32 (N, size) of N image files below `root`, and what made them.

    `model` is plain data with at least `id`: equal ids, comparable vectors.
    """

    root: Path
    files: tuple[str, ...]
    vectors: np.ndarray
    model: dict[str, Any]


def check_suffix(path: Path) -> None:
    """Raise UsageError unless vectors can be kept under this name, MissingPackage where a package lacks."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"vectors go to a {' or '.join(SUFFIXES)} file, got {path}")
    if path.suffix.lower() == ".parquet":
        with needs("pyarrow", "parquet"):
            import pyarrow as pa  # noqa: F401


def save_vectors(path: Path, found: Vectors) -> None:
    """Write vectors atomically: npz as they are (`files`, `vectors`, `facts`), parquet with a row per image.

    Raises UsageError for another suffix, StorageError, MissingPackage for parquet without pyarrow.
    """
    check_suffix(path)
    facts = json.dumps({"root": str(found.root), "model": found.model})
    with replacing(path) as draft, draft.open("wb") as out:
        if path.suffix.lower() == ".parquet":
            _save_parquet(out, found, facts)
        else:
            np.savez(out, files=np.array(found.files), vectors=found.vectors, facts=np.array(facts))


def load_vectors(path: Path) -> Vectors:
    """The vectors in a file. Raises DataError in one line when it is missing or none of ours."""
    check_suffix(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist; make it with mobilenets embed")
    try:
        files, vectors, facts = (_load_parquet if path.suffix.lower() == ".parquet" else _load_npz)(path)
        document = json.loads(facts)
        root, model = Path(document["root"]), dict(document["model"])
        sound = isinstance(model["id"], str) and vectors.dtype == np.float32 and vectors.ndim == 2
        sound = sound and 0 < len(vectors) == len(files) and vectors.shape[1] > 0
        sound = sound and bool(np.isfinite(vectors).all())
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} {NEITHER} ({shown(str(error))}); make it with mobilenets embed") from error
    if not sound:
        raise DataError(f"{path} {NEITHER}; make it with mobilenets embed")
    return Vectors(root, files, vectors, model)


def _load_npz(path: Path) -> tuple[tuple[str, ...], np.ndarray, str]:
    """Names, vectors and facts; nothing is unpickled."""
    with np.load(path, allow_pickle=False) as held:
        return tuple(held["files"].tolist()), held["vectors"], str(held["facts"])


def _save_parquet(out: Any, found: Vectors, facts: str) -> None:
    """A column of names and one of lists of fixed length; the facts are the schema's metadata."""
    with needs("pyarrow", "parquet"):
        import pyarrow as pa
        from pyarrow import parquet
    size = found.vectors.shape[1]
    schema = pa.schema([("file", pa.string()), ("vector", pa.list_(pa.float32(), size))],
                       metadata={"mobilenets": facts})  # fmt: skip
    with parquet.ParquetWriter(out, schema) as writer:
        for start in range(0, len(found.files), 10_000):
            chosen = slice(start, start + 10_000)
            rows = pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(found.vectors[chosen])), size)
            names = [name.encode(errors="backslashreplace").decode() for name in found.files[chosen]]
            writer.write_table(pa.table([pa.array(names, pa.string()), rows], schema=schema))


def _load_parquet(path: Path) -> tuple[tuple[str, ...], np.ndarray, str]:
    """Names, vectors and facts."""
    with needs("pyarrow", "parquet"):
        from pyarrow import parquet
    table = parquet.read_table(path)
    column = table.column("vector").combine_chunks()
    vectors = column.values.to_numpy(zero_copy_only=False).reshape(len(table), -1)
    return tuple(table.column("file").to_pylist()), vectors, table.schema.metadata[b"mobilenets"].decode()


class Rows:
    """Vectors on their way: raw float32 rows beside the file they will become, in the order of `paths`.

    What a killed writer of the same model and images left behind is taken up.
    """

    def __init__(self, out: Path, size: int, model: str, paths: Sequence[Path]) -> None:
        """Find the rows that are there already. Raises StorageError, DataError for an image that is gone."""
        self.place = out.with_name(f".{out.name}.rows")
        self.terms = out.with_name(f".{out.name}.rows.json")
        self.size = size
        wanted = {"model": model, "size": size, "images": _fingerprint(paths)}
        with _stored(self.place):
            if not (self.place.is_file() and _read(self.terms) == wanted):
                self.discard()
                write_json(self.terms, wanted)
                self.place.touch()
            self.done = min(self.place.stat().st_size // (4 * size), len(paths))

    def write(self, batches: Iterator[np.ndarray]) -> None:
        """Append batches float32 (B, size) behind the rows that are there. Raises StorageError."""
        with _stored(self.place), self.place.open("rb+") as file:
            file.truncate(self.done * 4 * self.size)
            file.seek(0, 2)
            for batch in batches:
                file.write(np.ascontiguousarray(batch, np.float32).tobytes())
                file.flush()
                self.done += len(batch)

    def read(self) -> np.ndarray:
        """All rows (N, size), mapped."""
        return np.memmap(self.place, np.float32, mode="r", shape=(self.done, self.size))

    def discard(self) -> None:
        """Remove them."""
        self.place.unlink(missing_ok=True)
        self.terms.unlink(missing_ok=True)


def _fingerprint(paths: Sequence[Path]) -> str:
    """Hex digits over names, sizes and times of images."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            facts = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        digest.update(f"{path.resolve()!r}\t{facts.st_size}\t{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _read(path: Path) -> Any:
    """A JSON document, None where there is none."""
    try:
        return read_json(path)
    except RunError:
        return None


@contextmanager
def _stored(place: Path) -> Iterator[None]:
    """Refusals of the disk as a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {place}: {error.strerror or error}; free some space or choose another --out, "
            "then run the same command again to go on"
        ) from error
