"""Strategies of search by name."""

from collections.abc import Mapping
from types import MappingProxyType

from mobilenets.base.errors import UnknownName
from mobilenets.nas.strategies.bayes import Bayes
from mobilenets.nas.strategies.evolution import Evolution
from mobilenets.nas.strategies.local import Local
from mobilenets.nas.strategies.mnasnet import MnasNet
from mobilenets.nas.strategies.pareto import Pareto
from mobilenets.nas.strategies.random import Random
from mobilenets.nas.strategies.reinforce import Reinforce
from mobilenets.nas.strategies.samplers import Nsga2, Tpe
from mobilenets.nas.strategies.strategy import Problem, Strategy

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {
        "random": Random,
        "evolution": Evolution,
        "local": Local,
        "mnasnet": MnasNet,
        "reinforce": Reinforce,
        "bayes": Bayes,
        "pareto": Pareto,
        "tpe": Tpe,
        "nsga2": Nsga2,
    }
)
DEFAULT = "bayes"


def strategy(name: str, problem: Problem, seed: int = 0) -> Strategy:
    """The strategy of a name. Raises UnknownName, UsageError for a space that holds one network."""
    if name not in STRATEGIES:
        raise UnknownName("strategy", name, STRATEGIES)
    return STRATEGIES[name](problem, seed)
