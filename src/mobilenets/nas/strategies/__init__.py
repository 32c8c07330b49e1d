"""Strategies of search by name. Each is loaded when it is asked for: MnasNet's controller needs torch."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from mobilenets.base.errors import UnknownName
from mobilenets.nas.strategies.strategy import Problem, Strategy

CLASSES = {
    "random": "Random",
    "evolution": "Evolution",
    "local": "Local",
    "mnasnet": "MnasNet",
    "reinforce": "Reinforce",
    "bayes": "Bayes",
    "pareto": "Pareto",
    "tpe": "Tpe",
    "nsga2": "Nsga2",
}
FILES = {"tpe": "samplers", "nsga2": "samplers"}  # that several share; every other has one of its own


class _Strategies(Mapping[str, type[Strategy]]):
    """Classes by the names of their strategies."""

    def __getitem__(self, name: str) -> type[Strategy]:
        kind = CLASSES[name]
        found: type[Strategy] = getattr(import_module(f"{__name__}.{FILES.get(name, name)}"), kind)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(CLASSES)

    def __len__(self) -> int:
        return len(CLASSES)


STRATEGIES: Mapping[str, type[Strategy]] = _Strategies()
DEFAULT = "bayes"


def strategy(name: str, problem: Problem, seed: int = 0) -> Strategy:
    """The strategy of a name. Raises UnknownName, UsageError for a space that holds one network."""
    if name not in CLASSES:
        raise UnknownName("strategy", name, CLASSES)
    return STRATEGIES[name](problem, seed)
