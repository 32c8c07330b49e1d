"""Decoded images, scaled once and kept: in memory when they fit, else in a mapped file that is used again."""

import hashlib
import os
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor

from mobilenets.arch.preprocess import Preprocess
from mobilenets.base.console import track
from mobilenets.base.errors import StorageError
from mobilenets.base.files import cache_folder, replacing
from mobilenets.data.dataset import MaskedSample
from mobilenets.data.images import open_rgb
from mobilenets.data.preprocess import resized

LIMIT = 2 * 2**30
HELD = 2**30
KEPT = 30 * 24 * 3600  # seconds without use after which a file is removed
SUFFIX = ".pixels"


@dataclass(frozen=True)
class ImageCache:
    """Images one behind the other in `buffer` (uint8), each as rows of pixels of `channels` bytes.

    `sizes` is (N, 2): height and width. `starts` is (N,).
    """

    buffer: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    channels: int = 3

    def __len__(self) -> int:
        """How many images."""
        return len(self.sizes)

    def __getitem__(self, index: int) -> Tensor:
        """One image: uint8 (channels, H, W), channels last in memory, not to be written to."""
        height, width = self.sizes[index].tolist()
        start = int(self.starts[index])
        count = self.channels * height * width
        flat = torch.frombuffer(self.buffer, dtype=torch.uint8, count=count, offset=start)
        return flat.view(height, width, self.channels).permute(2, 0, 1)

    def __reduce__(self) -> tuple[Callable[..., "ImageCache"], tuple[Any, ...]]:
        """What reaches a worker process that is not forked: the name of a mapped file, not its content."""
        if isinstance(self.buffer, np.memmap):
            return _reopened, (Path(str(self.buffer.filename)), len(self), self.channels)
        return ImageCache, (self.buffer, self.sizes, self.starts, self.channels)


def build_cache(paths: Sequence[Path], record: Preprocess, limit_bytes: int = LIMIT) -> ImageCache:
    """Every image, upright RGB, scaled to the record; decoded on all cores.

    Beyond `limit_bytes` they go to a file in the cache folder, found again by the paths, sizes and times of
    the images and by the record. Raises DataError naming an image that cannot be decoded, StorageError when
    the disk refuses.
    """
    terms = f"{record.resize} {record.interpolation} {record.fit}"
    return _built(paths, paths, lambda path: np.asarray(resized(record, open_rgb(path))), terms, limit_bytes)


def build_whole(paths: Sequence[Path], longest: int, limit_bytes: int = LIMIT) -> ImageCache:
    """Every image in its own shape, upright RGB, its longer side at most `longest` pixels; else as
    `build_cache`.
    """

    def decode(path: Path) -> np.ndarray:
        """One image, scaled down."""
        image = open_rgb(path)
        return np.asarray(image.resize(shrunk(image.size, longest), Image.Resampling.BILINEAR))

    return _built(paths, paths, decode, f"whole {longest}", limit_bytes)


def build_masks(samples: Sequence[MaskedSample], longest: int, limit_bytes: int = LIMIT) -> ImageCache:
    """The mask of every sample, one byte a pixel, scaled by the nearest pixel to the size that `build_whole`
    gives its image; else as there.
    """
    from mobilenets.data.masks import read_mask

    def decode(sample: MaskedSample) -> np.ndarray:
        """One mask, scaled down."""
        mask = Image.fromarray(read_mask(sample))
        return np.asarray(mask.resize(shrunk(mask.size, longest), Image.Resampling.NEAREST))[..., None]

    drawn = [(s.coding, s.shapes, s.rest, s.width, s.height, s.turn) for s in samples]
    meant = hashlib.sha256(repr(drawn).encode()).hexdigest()
    paths = [sample.mask for sample in samples]
    return _built(samples, paths, decode, f"masks {longest} {meant}", limit_bytes, channels=1)


def shrunk(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height with the same ratio and the longer at most `longest`."""
    share = min(1.0, longest / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _built(
    items: Sequence[Any],
    paths: Sequence[Path],
    decode: Callable[[Any], np.ndarray],
    terms: str,
    limit_bytes: int,
    channels: int = 3,
) -> ImageCache:
    """What `decode` makes of every item, uint8 (H, W, channels). `paths` and `terms` decide its content."""
    file = cache_folder() / "decoded" / f"{_key(paths, terms)}{SUFFIX}"
    if known := _HELD.get(file, limit_bytes):
        return known
    if stored := _opened(file, len(items), channels):
        return stored
    images = _decoded(items, decode)
    held: list[np.ndarray] = []
    total = 0
    for image in images:
        held.append(image)
        total += image.nbytes
        if total > limit_bytes:
            return _on_disk(file, held, images, len(items), channels)
    return _HELD.put(file, limit_bytes, _in_memory(held, channels))


class _Held:
    """What was decoded last in this process, up to HELD bytes: a search trains on the same images again and
    again.
    """

    def __init__(self) -> None:
        self.caches: OrderedDict[tuple[Path, int], ImageCache] = OrderedDict()

    def get(self, file: Path, limit_bytes: int) -> ImageCache | None:
        """The images that would be in `file` if they were more than the limit."""
        if found := self.caches.get((file, limit_bytes)):
            self.caches.move_to_end((file, limit_bytes))
        return found

    def put(self, file: Path, limit_bytes: int, cache: ImageCache) -> ImageCache:
        """Keep these, and let go of others."""
        self.caches[file, limit_bytes] = cache
        while self.caches and sum(one.buffer.nbytes for one in self.caches.values()) > HELD:
            self.caches.popitem(last=False)
        return cache


_HELD = _Held()


def _in_memory(images: list[np.ndarray], channels: int) -> ImageCache:
    """One buffer of all images, each freed as it is copied."""
    sizes = _sizes(images)
    starts = _starts(sizes, channels)
    buffer = np.empty(sum(image.nbytes for image in images), np.uint8)
    for index, start in enumerate(starts):
        image, images[index] = images[index], _NOTHING
        buffer[start : start + image.nbytes] = image.ravel()
    return ImageCache(buffer, sizes, starts, channels)


def _on_disk(
    file: Path, held: list[np.ndarray], rest: Iterator[np.ndarray], count: int, channels: int
) -> ImageCache:
    """The images held so far and the rest written to `file`, sizes last, then mapped.

    They are written, not stored through the mapping: a full disk then is an error rather than a fatal signal.
    """
    _sweep(file.parent)
    with replacing(file) as draft, draft.open("wb") as out:
        sizes = [_put(out, image) for image in held]
        held.clear()
        sizes += [_put(out, image) for image in rest]
        out.write(np.array(sizes, np.int64).tobytes())
    return _reopened(file, count, channels)


def _reopened(file: Path, count: int, channels: int) -> ImageCache:
    """The cache in a file that was written before. Raises StorageError when it is not whole any more."""
    if stored := _opened(file, count, channels):
        return stored
    raise StorageError(f"{file} cannot be read back; delete it and run the same command again")


def _put(out: BinaryIO, image: np.ndarray) -> tuple[int, int]:
    """Write one image; its height and width."""
    out.write(image.tobytes())
    return image.shape[0], image.shape[1]


def _opened(file: Path, count: int, channels: int) -> ImageCache | None:
    """The cache in a file, or None where there is none that is whole."""
    try:
        # Not copy on write, which a system refuses for what is larger than its memory
        buffer = np.memmap(file, np.uint8, mode="r")
    except (FileNotFoundError, PermissionError, ValueError):
        return None
    except OSError as error:
        raise StorageError(f"{file} cannot be mapped: {error.strerror}; free some memory") from error
    _quiet()
    with suppress(OSError):  # others' files may be read
        os.utime(file)
    body = len(buffer) - 16 * count
    if body < 0:
        return None
    sizes = np.frombuffer(buffer[body:].tobytes(), np.int64).reshape(count, 2)
    pixels = sum(height * width for height, width in sizes.tolist())
    sound = bool(((sizes > 0) & (sizes <= body)).all()) and channels * pixels == body
    return ImageCache(buffer, sizes, _starts(sizes, channels), channels) if sound else None


@cache
def _quiet() -> None:
    """Have torch warn now, unheard, of memory that may not be written to: it does so once in a process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.frombuffer(bytes(1), dtype=torch.uint8)


def _decoded(items: Sequence[Any], decode: Callable[[Any], np.ndarray]) -> Iterator[np.ndarray]:
    """Each item decoded, in order; a bounded number are under way at once."""
    step = 256
    with ThreadPool() as pool:
        chunks = (pool.map(decode, items[start : start + step]) for start in range(0, len(items), step))
        yield from track((image for chunk in chunks for image in chunk), "decoding images", len(items))


def _sizes(images: Sequence[np.ndarray]) -> np.ndarray:
    """Height and width of each image (N, 2)."""
    return np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)


def _starts(sizes: np.ndarray, channels: int) -> np.ndarray:
    """Where each image begins in the buffer (N,)."""
    lengths = channels * sizes.prod(axis=1)
    starts: np.ndarray = np.cumsum(lengths) - lengths
    return starts


def _key(paths: Sequence[Path], terms: str) -> str:
    """What decides the cached pixels, as hex digits."""
    digest = hashlib.sha256(f"{terms} {PIL.__version__}".encode())
    for path in paths:
        facts = path.stat()
        digest.update(os.fsencode(path.resolve()) + f"\0{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _sweep(folder: Path) -> None:
    """Remove what no run has used for long, drafts of killed runs among it."""
    with suppress(OSError):
        for file in folder.iterdir():
            if SUFFIX in file.name and time.time() - file.stat().st_mtime > KEPT:
                file.unlink()


_NOTHING = np.empty(0, np.uint8)
