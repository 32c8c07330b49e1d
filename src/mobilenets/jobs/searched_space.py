"""The space that a search is given by name, file or value, with a task's head; and what it can cost."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find, side_of
from mobilenets.base.errors import ArchError, BudgetError, MobilenetsError, UsageError, shown
from mobilenets.base.files import sha256
from mobilenets.jobs.resource import Price
from mobilenets.jobs.start import headed
from mobilenets.nas import spaces
from mobilenets.nas.space import Genotype, Option, Space

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset

SAMPLES = 100  # random networks of a space, from which its table is measured and its speed is told
RARE = 20  # times as many are drawn, at most: some spaces hold networks that cannot carry a head
DESCENTS = 2  # passes over all decisions towards the cheapest network
FALLBACK = "mobilenet_v2"  # to lay a space around that names no home


def space_of(
    given: str | Path | Space, model: Mapping[str, Any], resolution: int | None, fallback: int
) -> Space:
    """The space: of a name, laid around a network of the zoo; of a .json or .py file; or as it is given.

    `model` names the network and its width and dialect, what is None being left to the zoo; without a
    `resolution` it is `fallback`. Raises UsageError, ArchError.
    """
    if isinstance(given, Space):
        _refuse_model(given.name, {**model, "resolution": resolution})
        return given
    path = Path(given)
    if path.suffix == ".json":
        _refuse_model(path, {**model, "resolution": resolution})
        return spaces.loads(_read(path))
    if path.suffix != ".py":
        return spaces.space_around(str(given), _seed(str(given), model, side_of(resolution, fallback)))
    found = _of_code(path)
    if isinstance(found, Space):
        _refuse_model(path, {**model, "resolution": resolution})
        return found
    try:
        made = found(_seed("", model, side_of(resolution, fallback)))
    except MobilenetsError:
        raise
    except Exception as error:
        raise UsageError(f"the function space of {path} fails: {_told(error)}") from error
    if not isinstance(made, Space):
        raise UsageError(f"the function space of {path} must return a Space, got {type(made).__name__}")
    return made


def with_heads(space: Space, task: str, dataset: "Dataset", options: dict[str, Any] | None = None) -> Space:
    """The space of the same networks with the head of a task for the classes of a dataset, as `headed`; those
    that cannot carry it are ArchErrors.
    """

    @lru_cache(maxsize=4096)
    def built(values: tuple[tuple[str, Option], ...]) -> Arch:
        """A network with its head; proposals are asked about several times."""
        return headed(space.build(dict(values)), task, dataset, options).arch

    return replace(space, build=lambda values: built(tuple(values.items())))


def samples(space: Space, seed: int, count: int = SAMPLES) -> list[Arch]:
    """Random networks of a space, the same for the same seed, without those that cannot be. Raises UsageError
    where there are nearly none.
    """
    chance = np.random.default_rng([seed, count])
    found: list[Arch] = []
    reason = ""
    for _ in range(RARE * count):
        try:
            found.append(space.arch(space.canonical(space.sample(chance))))
        except ArchError as error:
            reason = str(error)
        except MobilenetsError:
            raise
        except Exception as error:  # of a user's own code
            raise UsageError(f"the space {space.name} cannot build a network: {_told(error)}") from error
        if len(found) == count:
            break
    if not found:
        raise UsageError(f"no network of the space {space.name} can be, as {reason}")
    return found


def cheapest(space: Space, price: Callable[[Genotype], float], seed: int) -> tuple[Genotype, float]:
    """About the cheapest network: every decision in turn taken so that it costs least."""
    chance = np.random.default_rng([seed, 1])
    best = min((space.sample(chance) for _ in range(SAMPLES)), key=price)
    for _ in range(DESCENTS):
        for k, decision in enumerate(space.decisions):
            ways = [(*best[:k], other, *best[k + 1 :]) for other in range(len(decision.options))]
            best = min(ways, key=price)
    return best, price(best)


def check_budget(
    space: Space,
    order: Callable[[Genotype], float],
    price: Callable[[Genotype], float],
    unit: str,
    budget: float,
    seed: int,
) -> None:
    """Raise BudgetError for a budget that no network of the space can meet.

    `order` finds the cheapest network, for which many are asked about; `price` is asked about that one.
    """
    genotype, _ = cheapest(space, order, seed)
    if (least := price(genotype)) > budget:
        raise BudgetError(
            f"nothing in the space {space.name} meets {budget:.4g} {unit}; the closest is "
            f"{space.arch(genotype).name} with {least:.4g} {unit}; give a larger --budget, a smaller "
            "--resolution or another --space"
        )


def priced(space: Space, price: Price) -> Callable[[Genotype], float]:
    """What a network of the space costs, asked once for each."""

    @lru_cache(maxsize=65536)
    def of(genotype: Genotype) -> float:
        """By its choices; what cannot be is beyond any budget."""
        try:
            arch = space.arch(genotype)
        except ArchError:
            return inf
        return price(arch)

    return of


def described(given: str | Path | Space) -> dict[str, str]:
    """How a run's settings name a space: a file also by what it holds, so that another one is told from it.

    Raises UsageError where there is no such file.
    """
    if isinstance(given, Space):
        return {"space": given.name}
    path = Path(given)
    if path.suffix not in (".json", ".py"):
        return {"space": str(given)}
    if not path.is_file():
        raise UsageError(f"there is no file {path}; give a name of {', '.join(spaces.SPACES)}, or a file")
    return {"space": str(given), "space_sha256": sha256(path)}


def _seed(name: str, model: Mapping[str, Any], resolution: int) -> Arch:
    """The network that a space is laid around."""
    home = spaces.HOMES.get(name, (FALLBACK,))[0]
    return find(model["model"] or home, model["width"], resolution, dialect=model["dialect"])


def _told(error: Exception) -> str:
    """An error of somebody's code in a line."""
    return f"{type(error).__name__}: {shown(str(error))}"


def _refuse_model(given: Path | str, model: Mapping[str, Any]) -> None:
    """Raise UsageError where a network is named beside a space that has one."""
    if spare := [f"--{key}" for key, value in model.items() if value is not None]:
        raise UsageError(f"{given} says itself what its networks are; leave {', '.join(spare)} out")


def _read(path: Path) -> str:
    """A file's text. Raises UsageError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a space: {error}") from error


def _of_code(path: Path) -> Any:
    """What a Python file calls `space`. Raises UsageError."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path} cannot be run: {_told(error)}") from error
    found = getattr(module, "space", None)
    if not isinstance(found, Space) and not callable(found):
        raise UsageError(
            f"{path} must have a Space, or a function of a network that returns one, called space"
        )
    return found
