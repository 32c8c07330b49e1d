"""From a folder of images and a latency budget to a small network that is measured, verified and ready.

Rooms of the package are nouns (`mobilenets.exporters`); its verbs are the functions below, the same as the
commands, with the same defaults. Each is loaded at first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mobilenets.jobs.benchmark import benchmark
    from mobilenets.jobs.doctor import doctor
    from mobilenets.jobs.evaluate import evaluate
    from mobilenets.jobs.export import export
    from mobilenets.jobs.fit import fit
    from mobilenets.jobs.models import create_model, describe, list_models
    from mobilenets.jobs.predict import predict
    from mobilenets.jobs.report import report
    from mobilenets.jobs.train import train

    __version__: str

__all__ = [
    "__version__", "benchmark", "create_model", "describe", "doctor", "evaluate", "export", "fit",
    "list_models", "predict", "report", "train",
]  # fmt: skip

_IN_MODELS = ("create_model", "describe", "list_models")  # every other verb has a file of its own


def __getattr__(name: str) -> Any:
    """Load a verb at first use. Raises AttributeError for any other name."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mobilenets")
    if name not in __all__:
        raise AttributeError(f"module 'mobilenets' has no attribute {name!r}")
    room = "models" if name in _IN_MODELS else name
    return getattr(import_module(f"mobilenets.jobs.{room}"), name)


def __dir__() -> list[str]:
    """What the package offers, loaded or not."""
    return sorted({*globals(), *__all__})
