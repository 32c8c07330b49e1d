"""Batches of training examples; the order and every random choice follow from (seed, epoch, index) alone."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mobilenets.arch.preprocess import Preprocess
from mobilenets.data.cache import ImageCache
from mobilenets.data.preprocess import cropped

Targets = Tensor | tuple[Tensor, ...]
Batch = tuple[Tensor, Targets]


class Feed(Protocol):
    """Training examples by their index, each varied at random."""

    def __len__(self) -> int:
        """How many."""

    def example(self, index: int, side: int) -> tuple[Tensor, Any]:
        """Pixels uint8 (3, side, side) and what is true of them, drawn by torch's own generator."""

    def collate(self, examples: Sequence[tuple[Tensor, Any]]) -> Batch:
        """Pixels (B, 3, side, side) and their targets."""


class Drawn(NamedTuple):
    """What a worker needs to make training examples."""

    feed: Feed
    side: int
    seed: int

    def draw(self, places: Sequence[tuple[int, int]]) -> Batch:
        """The batch of some (epoch, index)."""
        examples = []
        with _generator_kept():
            for epoch, index in places:
                torch.default_generator.manual_seed(_mixed(self.seed, epoch, index))
                examples.append(self.feed.example(index, self.side))
        return self.feed.collate(examples)

    def batches(self, places: Sequence[tuple[int, int]], batch_size: int, workers: int) -> Iterator[Batch]:
        """The batches of a row of (epoch, index)."""
        batches = [places[at : at + batch_size] for at in range(0, len(places), batch_size)]
        if not workers:
            yield from map(self.draw, batches)
            return
        yield from DataLoader(
            _Batches(self, batches),
            batch_size=None,
            num_workers=workers,
            collate_fn=tuple,
            # A generator of its own: otherwise the loader would draw from torch's
            generator=torch.Generator().manual_seed(self.seed),
        )


def steps_per_epoch(n: int, batch_size: int, drop_last: bool) -> int:
    """Batches in an epoch of `n` images."""
    return n // batch_size if drop_last else -(-n // batch_size)


def train_batches(
    feed: Feed,
    *,
    side: int,
    batch_size: int,
    seed: int,
    epoch: int,
    start_step: int = 0,
    workers: int = 0,
    drop_last: bool = True,
) -> Iterator[Batch]:
    """Pixels uint8 (B, 3, side, side) and their targets in a shuffled order, from `start_step` on.

    The same numbers come for any number of `workers` (processes; 0 works in this one), and torch's own
    generator is left as it was.
    """
    stop = steps_per_epoch(len(feed), batch_size, drop_last) * batch_size
    places = [(epoch, index) for index in shuffled(len(feed), seed, epoch)[start_step * batch_size : stop]]
    yield from Drawn(feed, side, seed).batches(places, batch_size, workers)


def endless_batches(
    feed: Feed, *, side: int, batch_size: int, seed: int, start: int, stop: int, workers: int = 0
) -> Iterator[Batch]:
    """The batches `start` to `stop` of shuffled passes over the examples, one behind the other without end.

    A batch may lie in several passes, each of which has its own order and variations; else as
    `train_batches`.
    """
    n, first, last = len(feed), start * batch_size, stop * batch_size
    passes = range(first // n, -(-last // n))
    places = [(number, index) for number in passes for index in shuffled(n, seed, number)]
    before = first - passes.start * n
    yield from Drawn(feed, side, seed).batches(places[before : before + last - first], batch_size, workers)


def eval_batches(cache: ImageCache, record: Preprocess, *, batch_size: int) -> Iterator[tuple[range, Tensor]]:
    """Indices, and images as `preprocess.pixels` gives them, uint8 (B, 3, crop, crop), in order."""
    for start in range(0, len(cache), batch_size):
        indices = range(start, min(start + batch_size, len(cache)))
        yield indices, torch.stack([cropped(record, cache[index]) for index in indices]).contiguous()


def shuffled(n: int, seed: int, epoch: int) -> list[int]:
    """The order of an epoch: a permutation of 0 to n - 1."""
    generator = torch.Generator().manual_seed(_mixed(seed, epoch))
    order: list[int] = torch.randperm(n, generator=generator).tolist()
    return order


class _Batches(torch.utils.data.Dataset[Batch]):
    """Batches by their number, for worker processes."""

    def __init__(self, drawn: Drawn, batches: list[Sequence[tuple[int, int]]]) -> None:
        """Keep the examples and the places of each batch."""
        self.drawn, self.batches = drawn, batches

    def __len__(self) -> int:
        """How many batches."""
        return len(self.batches)

    def __getitem__(self, step: int) -> Batch:
        """One batch."""
        return self.drawn.draw(self.batches[step])


def _mixed(*parts: int) -> int:
    """One seed of 64 bits from several whole numbers; neighbours give unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest())


@contextmanager
def _generator_kept() -> Iterator[None]:
    """Leave torch's generator as it was, whatever is drawn inside; `fork_rng` costs seventy times as much."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)
