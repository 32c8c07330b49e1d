"""Strategies of search by name."""

from collections.abc import Mapping
from types import MappingProxyType

from mobilenets.base.errors import UnknownName
from mobilenets.nas.strategies.bayes import Bayes
from mobilenets.nas.strategies.evolution import Evolution
from mobilenets.nas.strategies.local import Local
from mobilenets.nas.strategies.pareto import Pareto
from mobilenets.nas.strategies.random import Random
from mobilenets.nas.strategies.strategy import Problem, Strategy

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {
        "random": Random,
        "evolution": Evolution,
        "local": Local,
        "bayes": Bayes,
        "pareto": Pareto,
    }
)
DEFAULT = "bayes"


def strategy(name: str, problem: Problem, seed: int = 0) -> Strategy:
    """The strategy of a name. Raises UnknownName, UsageError for a space that holds one network."""
    if name not in STRATEGIES:
        raise UnknownName("strategy", name, STRATEGIES)
    return STRATEGIES[name](problem, seed)
