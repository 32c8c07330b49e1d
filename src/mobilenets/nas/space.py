"""What a search chooses from: decisions with their options, and the network that every set of choices means.

A few lines make a space of one's own:

    def build(values):
        return find("mobilenet_v2", width=values["width"], resolution=values["resolution"])

    decisions = (Decision("width", (0.35, 0.5, 0.75)), Decision("resolution", (96, 128, 160)))
    space = Space("mine", decisions, build)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from mobilenets.arch.spec import Arch
from mobilenets.base.errors import UnknownName, UsageError, shown

Option = int | float | str
Genotype = tuple[int, ...]  # for every decision, the index of the option that is taken


def _as_it_is(genotype: Genotype) -> Genotype:
    """Every set of choices is a network of its own."""
    return genotype


@dataclass(frozen=True)
class Decision:
    """One thing to decide, and what there is to choose from."""

    name: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        """Refuse what leaves no choice or names one twice. Raises UsageError."""
        if not self.options:
            raise UsageError(f"the decision {shown(self.name)} has no options; give at least one")
        if len(set(self.options)) < len(self.options):
            raise UsageError(f"the decision {shown(self.name)} has an option twice: {shown(self.options)}")


@dataclass(frozen=True)
class Stretch:
    """Blocks in a row that belong together: `counts` says how many there are for the options of `by`."""

    name: str
    by: tuple[str, ...]  # names of decisions
    counts: Mapping[tuple[Option, ...], int]


@dataclass(frozen=True)
class Places:
    """Where in its space each block of a network stands. Plain data, which any process can have."""

    stretches: tuple[Stretch, ...]

    def __call__(self, values: Mapping[str, Option]) -> tuple[str, ...]:
        """One key for each block of the network of chosen options: "stage3.1" is stage 3's second block."""
        counts = [one.counts[tuple(values[name] for name in one.by)] for one in self.stretches]
        return tuple(
            f"{one.name}.{index}"
            for one, count in zip(self.stretches, counts, strict=True)
            for index in range(count)
        )


@dataclass(frozen=True)
class Space:
    """All networks that a search may choose from.

    `build` makes the network of chosen options, by the names of their decisions. `simplify` maps choices that
    lower to the same operations to one of them; without it all are taken for different. `seed` is the network
    that the space is laid around, where there is one. `places` tells which blocks of different networks stand
    at the same place, for those who share weights between them. `start` names the options, if all are known,
    that come nearest to the seed: where a search may begin.
    """

    name: str
    decisions: tuple[Decision, ...]
    build: Callable[[Mapping[str, Option]], Arch]
    simplify: Callable[[Genotype], Genotype] = _as_it_is
    seed: Arch | None = None
    places: Places | None = field(default=None, compare=False)
    start: Mapping[str, Option] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse an empty space, and names that occur twice. Raises UsageError."""
        if not self.decisions:
            raise UsageError(f"the space {shown(self.name)} is empty: it decides nothing")
        names = [decision.name for decision in self.decisions]
        if len(set(names)) < len(names):
            raise UsageError(f"the space {shown(self.name)} names a decision twice: {shown(names)}")

    @property
    def size(self) -> int:
        """How many sets of choices there are, those that mean the same network counted each."""
        return prod(len(decision.options) for decision in self.decisions)

    def values(self, genotype: Genotype) -> dict[str, Option]:
        """The chosen options by name. Raises UsageError for choices of another space."""
        self.check(genotype)
        return {one.name: one.options[index] for one, index in zip(self.decisions, genotype, strict=True)}

    def genotype(self, values: Mapping[str, Option]) -> Genotype:
        """The choices that options by name are. Raises UnknownName, UsageError."""
        for name in values.keys() - {decision.name for decision in self.decisions}:
            raise UnknownName("decision", name, [decision.name for decision in self.decisions])
        found = []
        for decision in self.decisions:
            if decision.name not in values or values[decision.name] not in decision.options:
                raise UsageError(
                    f"{decision.name} must be one of {shown(decision.options)}, "
                    f"got {shown(values.get(decision.name))}"
                )
            found.append(decision.options.index(values[decision.name]))
        return tuple(found)

    def arch(self, genotype: Genotype) -> Arch:
        """The network. Raises UsageError for choices of another space, ArchError for one that cannot be."""
        return self.build(self.values(genotype))

    def canonical(self, genotype: Genotype) -> Genotype:
        """The one of all choices for the same network that stands for them."""
        return self.simplify(genotype)

    def sample(self, random: np.random.Generator) -> Genotype:
        """Any choices, all equally likely."""
        return tuple(int(random.integers(len(decision.options))) for decision in self.decisions)

    def mutate(self, genotype: Genotype, random: np.random.Generator) -> Genotype:
        """One decision taken otherwise. Raises UsageError where there is only one network."""
        free = [k for k, decision in enumerate(self.decisions) if len(decision.options) > 1]
        if not free:
            raise UsageError(f"the space {shown(self.name)} holds one network; there is nothing to search")
        k = free[int(random.integers(len(free)))]
        other = int(random.integers(len(self.decisions[k].options) - 1))
        other += other >= genotype[k]
        return (*genotype[:k], other, *genotype[k + 1 :])

    def neighbours(self, genotype: Genotype) -> Iterator[Genotype]:
        """All choices that differ in one decision."""
        for k, decision in enumerate(self.decisions):
            for other in range(len(decision.options)):
                if other != genotype[k]:
                    yield (*genotype[:k], other, *genotype[k + 1 :])

    def encode(self, genotypes: Sequence[Genotype]) -> np.ndarray:
        """One row for each, of its canonical form: float64 (n, options of all decisions), 1 where chosen."""
        counts = [len(decision.options) for decision in self.decisions]
        offsets = np.cumsum([0, *counts[:-1]])
        rows = np.zeros((len(genotypes), sum(counts)))
        chosen = np.array([self.canonical(one) for one in genotypes], dtype=int).reshape(-1, len(counts))
        rows[np.arange(len(genotypes))[:, None], offsets + chosen] = 1.0
        return rows

    def check(self, genotype: Genotype) -> None:
        """Raise UsageError for choices that are none of this space."""
        counts = [len(decision.options) for decision in self.decisions]
        if len(genotype) != len(counts) or not all(
            0 <= index < count for index, count in zip(genotype, counts, strict=True)
        ):
            raise UsageError(f"{shown(genotype)} are no choices of the space {shown(self.name)}")

    def limited(self, options: Mapping[str, Sequence[Option]]) -> "Space":
        """The same space with fewer options of some decisions. Raises UnknownName, UsageError."""
        known = {decision.name: decision for decision in self.decisions}
        for name, wanted in options.items():
            if name not in known:
                raise UnknownName("decision", name, known)
            for option in wanted:
                if option not in known[name].options:
                    raise UsageError(f"{name} must be of {shown(known[name].options)}, got {shown(option)}")
            known[name] = replace(known[name], options=tuple(wanted))
        kept, whole = tuple(known.values()), self

        def simplify(genotype: Genotype) -> Genotype:
            """By the whole space, where it stays inside the smaller one."""
            chosen = [one.options[k] for one, k in zip(kept, genotype, strict=True)]
            found = whole.canonical(
                tuple(one.options.index(x) for one, x in zip(whole.decisions, chosen, strict=True))
            )
            values = [one.options[k] for one, k in zip(whole.decisions, found, strict=True)]
            if all(x in one.options for one, x in zip(kept, values, strict=True)):
                return tuple(one.options.index(x) for one, x in zip(kept, values, strict=True))
            return genotype

        return replace(self, decisions=kept, simplify=simplify)
