"""Which channels of a network are the same, from the image to the logits, and which of them matter most.

Channels that are added together, filtered one by one, or scaled by a gate are the same channels.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from mobilenets.arch.lower import CALCULATING, INPUT, Lowered, Op
from mobilenets.arch.spec import HEADS
from mobilenets.base.errors import ArchError

Scores = Mapping[str, Tensor]


class Reader(NamedTuple):
    """An operation that reads channels and makes others of them: its name, how many of these channels it
    reads, and where they begin among all that it reads.
    """

    path: str
    channels: int
    start: int = 0

    def of(self, read: Tensor) -> Tensor:
        """The part (..., channels) that is these channels in (..., all that the operation reads)."""
        return read[..., self.start : self.start + self.channels]


class Channels:
    """Which channels of the old network each operation reads and writes, and which of them are kept."""

    def __init__(self, lowered: Lowered, depthwise: frozenset[str], state: Mapping[str, Tensor], eps: float,
                 importance: Scores) -> None:  # fmt: skip
        self.state, self.eps = state, eps
        self.ops = dict(lowered.named_ops())
        self.parents: list[int] = []
        self.reads: dict[str, int] = {}
        self.writes: dict[str, int] = {}
        self.fixed: list[int] = []
        self.joined: dict[int, list[int]] = {}
        self.gates: set[str] = set()
        self.chosen: dict[tuple[int, int], Tensor] = {}
        self._follow(lowered, depthwise)
        self.importance = self._checked(importance)

    def kept(self, path: str, op: Op) -> tuple[Tensor, Tensor]:
        """Indices of the old channels, read and written by the old operation `path`, that `op` still has.

        Raises ArchError where they may be neither more nor fewer.
        """
        return self._keep(path, self.reads[path], op.cin), self._keep(path, self.writes[path], op.cout)

    def readers(self) -> dict[str, list[Reader]]:
        """Who reads each set of channels that go together, by the first operation that makes them.

        Channels that nobody reads, which are the answers, are left out.
        """
        found: dict[int, list[Reader]] = {}
        for path, number in self.reads.items():
            op = self.ops[path]
            if op.kind not in CALCULATING or number == self.writes[path]:  # those filter what they read
                continue
            parts = self.joined.get(self._root(number), [number])
            size = op.cin // len(parts)
            for index, part in enumerate(parts):
                found.setdefault(self._root(part), []).append(Reader(path, size, index * size))
        makers: dict[int, str] = {}
        for path, number in self.writes.items():
            makers.setdefault(self._root(number), path)
        return {makers[root]: readers for root, readers in found.items() if root in makers}

    def _follow(self, lowered: Lowered, depthwise: frozenset[str]) -> None:
        """Number the channels from the image to the logits; equal numbers are the same channels."""
        running = self._new()
        maps: dict[str, int] = {}  # those that a head may read
        for index, (layer, ops) in enumerate(zip(lowered, named_by_layer(lowered), strict=True)):
            entered = running
            written = {INPUT: entered, **(maps if isinstance(layer.block, HEADS) else {})}
            for path, op in ops.items():
                read = [written[name] for name in op.reads] or [running]
                running = written[op.name] = self._through(path, op, read, path in depthwise)
            if layer.residual:
                self._tie(running, entered)
            maps |= {**{path: self.writes[path] for path in ops}, f"blocks.{index}": running}

    def _through(self, path: str, op: Op, read: list[int], depthwise: bool) -> int:
        """The channels that an operation writes, given those that it reads."""
        self.reads[path] = written = read[0]
        match op.kind:
            case "conv" | "linear" if not depthwise:
                written = self._new()
                if op.groups > 1:
                    self.fixed += [read[0], written]
            case "scale":
                self._tie(*read)
                self.gates |= {other for other, number in self.writes.items() if number == read[1]}
            case "add":
                self._tie(*read)
            case "match" | "mix":  # heads lie side by side in these channels
                written = self._new()
                self.fixed += [*read, written]
            case "concat":
                written = self._new()
                self.joined[written] = read
        self.writes[path] = written
        return written

    def _new(self) -> int:
        """A number for channels that were not there before."""
        self.parents.append(len(self.parents))
        return self.parents[-1]

    def _root(self, number: int) -> int:
        """The number that stands for all channels tied to these."""
        while self.parents[number] != number:
            number = self.parents[number]
        return number

    def _tie(self, one: int, other: int) -> None:
        """From now on the two are the same channels."""
        self.parents[self._root(one)] = self._root(other)

    def _keep(self, path: str, number: int, count: int) -> Tensor:
        """The most important `count` channels in order; all of them where that is no fewer."""
        key = (self._root(number), count)
        if key not in self.chosen:
            self.chosen[key] = self._choose(path, *key)
        return self.chosen[key]

    def _choose(self, path: str, root: int, count: int) -> Tensor:
        """Indices of the channels with the highest scores; of equal ones the first."""
        if parts := self.joined.get(root):
            return self._side_by_side(path, parts, count)
        writers = [one for one, number in self.writes.items() if self._root(number) == root]
        size = self.ops[writers[0]].cout if writers else 3
        if count != size and root in {self._root(number) for number in self.fixed}:
            raise ArchError(
                f"{path} has {size} channels in groups or heads, which cannot be more or fewer, got {count}"
            )
        if count >= size:
            return torch.arange(size)
        scores = self._scores(writers)
        return scores.argsort(descending=True, stable=True)[:count].sort().values

    def _side_by_side(self, path: str, parts: list[int], count: int) -> Tensor:
        """What is kept of branches whose channels lie side by side, as many of each; they cannot be more."""
        size = self._size(parts[0])
        share, rest = divmod(count, len(parts))
        if share > size or rest:
            raise ArchError(
                f"{path} reads {len(parts)} branches of {size} channels, which cannot be more, got {count}"
            )
        kept = [self._keep(path, part, share) + index * size for index, part in enumerate(parts)]
        return torch.cat(kept)

    def _size(self, number: int) -> int:
        """How many these channels are."""
        return next(self.ops[path].cout for path, one in self.writes.items() if one == number)

    def _scores(self, writers: list[str]) -> Tensor:
        """One score per channel: those that were given, else squared norms in shares of their mean, so that
        every operation that writes the channels counts alike.
        """
        given = [self.importance[path] for path in writers if path in self.importance]
        if given:
            return torch.stack(given).sum(0)
        of = [one for one in writers if self.ops[one].kind in CALCULATING and one not in self.gates]
        squares = torch.stack([self._norm(path).square() for path in of])
        return (squares / squares.mean(1, keepdim=True).clamp_min(1e-30)).sum(0)

    def _norm(self, path: str) -> Tensor:
        """The L2 norm of each filter, the batch norm folded in."""
        normed = self.ops[path].norm
        weight = self.state[f"{path}.conv.weight" if normed else f"{path}.weight"]
        norms: Tensor = weight.double().flatten(1).norm(dim=1)
        if normed:
            variance = self.state[f"{path}.norm.running_var"].double()
            norms = norms * self.state[f"{path}.norm.weight"].double().abs() / (variance + self.eps).sqrt()
        return norms.cpu()

    def _checked(self, importance: Scores) -> dict[str, Tensor]:
        """The given scores. Raises ArchError for another operation, or another number of channels."""
        for path, scores in importance.items():
            if path not in self.ops:
                raise ArchError(f"importance names {path!r}, which the network does not have")
            if scores.shape != (self.ops[path].cout,) or not scores.isfinite().all():
                raise ArchError(
                    f"importance of {path} must be {self.ops[path].cout} finite scores, "
                    f"got shape {tuple(scores.shape)}"
                )
        return {path: scores.detach().double().cpu() for path, scores in importance.items()}


def named_by_layer(lowered: Lowered) -> Iterator[dict[str, Op]]:
    """The operations of every layer under their names in the network."""
    ops = lowered.named_ops()
    for layer in lowered:
        yield dict(islice(ops, len(layer.ops)))
