"""Tables of networks that others trained: a search on one costs nothing, so strategies are compared on them.

The layout is NAS-Bench-Macro's (Su et al. 2021, arXiv 2103.11922; github.com/xiusu/NAS-Bench-Macro): one JSON
object, from the choices, one digit each, to the accuracies of several runs, their mean in percent, and costs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilenets.arch.spec import Arch, Classifier, Conv, Dialect, Inverted
from mobilenets.base.errors import DataError, UsageError, shown
from mobilenets.nas.reward import Outcome
from mobilenets.nas.space import Decision, Genotype, Option, Space

STAGES = (2, 3, 3)
STEM = 32  # channels, which every stage doubles
LAST = 1280
IDENTITY, SMALL, LARGE = OPERATIONS = ("identity", "mb3_3x3", "mb6_5x5")
DIALECT = Dialect("torchvision", norm_eps=1e-5, norm_momentum=0.1)


@dataclass(frozen=True)
class Row:
    """One network: its quality in percent, that of every run, and its costs by name."""

    quality: float
    runs: tuple[float, ...]
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """Networks of a space that were all evaluated."""

    space: Space
    rows: Mapping[Genotype, Row]

    def row(self, genotype: Genotype) -> Row:
        """What the table says of a network. Raises UsageError for one that it lacks."""
        for form in (genotype, self.space.canonical(genotype)):
            if form in self.rows:
                return self.rows[form]
        self.space.check(genotype)
        key = "".join(map(str, genotype))
        raise UsageError(
            f"the table {shown(self.space.name)} lacks the network {key}; "
            "search a space of which it holds every network"
        )

    def costs(self, genotype: Genotype, names: Sequence[str]) -> tuple[float, ...]:
        """The named costs of a network. Raises UsageError for one that the table lacks."""
        row = self.row(genotype)
        if missing := [name for name in names if name not in row.costs]:
            raise UsageError(f"the table knows no cost {shown(missing[0])}; it has {', '.join(row.costs)}")
        return tuple(row.costs[name] for name in names)

    def outcome(self, genotype: Genotype, names: Sequence[str] = (), run: int | None = None) -> Outcome:
        """The outcome of a network with the named costs: the mean quality, or that of a run, from 0 on."""
        row = self.row(genotype)
        return Outcome(row.quality if run is None else row.runs[run], self.costs(genotype, names))


def read_table(path: Path, space: Space | None = None) -> Table:
    """A table from a file. Without a space, the digits that occur are the options, and nothing can be built.

    Raises DataError for a file that is no such table, UsageError for one of another space.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is no table of networks: {error}") from None
    if not isinstance(document, dict) or not document:
        raise DataError(f"{path} is no table of networks: it should map choices, as 0120, to accuracies")
    found = {_choices(path, key): _row(path, key, value) for key, value in document.items()}
    space = space or _digits(path, list(found))
    for genotype in found:
        space.check(genotype)
    return Table(space, found)


def macro() -> Space:
    """NAS-Bench-Macro's space: MobileNetV2 blocks on CIFAR-10, 3,969 networks among 6,561 sets of choices."""
    names = [f"stage{stage}.{k}" for stage, count in enumerate(STAGES, 1) for k in range(count)]
    return Space("nas-bench-macro", tuple(Decision(name, OPERATIONS) for name in names), _build, _simplify)


def _simplify(genotype: Genotype) -> Genotype:
    """Identities behind the first of a stage do nothing, wherever they stand: they move to its end."""
    found: list[int] = []
    for count in STAGES:
        first, *rest = genotype[len(found) : len(found) + count]
        found += [first, *(one for one in rest if one), *(one for one in rest if not one)]
    return tuple(found)


def _build(values: Mapping[str, Option]) -> Arch:
    """The network: its parameters and multiply-adds are the table's."""
    blocks: list[Conv | Inverted] = [Conv(3, STEM, activation="relu")]
    channels = STEM
    for name, operation in values.items():
        strides = name.endswith(".0")
        out = channels * 2 if strides else channels
        if operation != IDENTITY:
            kernel, factor = (3, 3) if operation == SMALL else (5, 6)
            blocks.append(Inverted(kernel, factor * channels, out, 1 + strides, "relu"))
        elif strides:
            blocks.append(Conv(1, out, 2, "none"))
        channels = out
    blocks.append(Conv(1, LAST, activation="relu"))
    digits = "".join(str(OPERATIONS.index(str(one))) for one in values.values())
    return Arch(f"macro_{digits}", 32, tuple(blocks), Classifier(10, dropout=0.0), DIALECT)


def _digits(path: Path, genotypes: Sequence[Genotype]) -> Space:
    """The space of all digits that occur at every place."""
    if len({len(one) for one in genotypes}) > 1:
        raise DataError(f"{path} is no table of networks: its keys differ in length")
    counts = [max(column) + 1 for column in zip(*genotypes, strict=True)]
    decisions = tuple(Decision(f"choice{k}", tuple(range(count))) for k, count in enumerate(counts))
    return Space(path.stem, decisions, _refused)


def _refused(values: Mapping[str, Option]) -> Arch:
    """A table has no networks."""
    raise UsageError(f"no network can be built of {shown(dict(values))}: the table tells accuracies alone")


def _choices(path: Path, key: str) -> Genotype:
    """The choices that a key names."""
    if not (key.isascii() and key.isdigit()):
        raise DataError(f"{path} names a network {shown(key)}; it should be one digit for every choice")
    return tuple(int(digit) for digit in key)


def _row(path: Path, key: str, value: Any) -> Row:
    """The row of a network."""
    try:
        numbers = {
            name: float(one) for name, one in value.items() if name not in ("test_acc", "mean_acc", "std")
        }
        return Row(float(value["mean_acc"]), tuple(float(one) for one in value["test_acc"]), numbers)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(
            f"{path} tells of {shown(key)} {shown(value)}; it should have test_acc, mean_acc and numbers"
        ) from None
