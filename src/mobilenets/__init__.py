"""From a folder of images and a latency budget to a small network that is measured, verified and ready.

Rooms of the package are nouns (`mobilenets.exporters`); its verbs are the functions below, the same as the
commands, with the same defaults. Each is loaded at first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mobilenets.jobs.adapt import adapt
    from mobilenets.jobs.benchmark import benchmark
    from mobilenets.jobs.convert import convert
    from mobilenets.jobs.doctor import doctor
    from mobilenets.jobs.embed import embed
    from mobilenets.jobs.evaluate import evaluate
    from mobilenets.jobs.export import export
    from mobilenets.jobs.fit import fit
    from mobilenets.jobs.hub import from_pretrained, push_to_hub
    from mobilenets.jobs.index import index
    from mobilenets.jobs.latency import build_latency, predict_latency
    from mobilenets.jobs.latency_check import check_latency
    from mobilenets.jobs.models import create_model, describe, list_models
    from mobilenets.jobs.predict import predict
    from mobilenets.jobs.report import report
    from mobilenets.jobs.search import search
    from mobilenets.jobs.similar import similar
    from mobilenets.jobs.train import train
    from mobilenets.jobs.weights import convert_weights, fetch_weights, list_weights

    __version__: str

__all__ = [
    "__version__", "adapt", "benchmark", "build_latency", "check_latency", "convert",
    "convert_weights", "create_model", "describe", "doctor", "embed", "evaluate", "export", "fetch_weights",
    "fit", "from_pretrained", "index", "list_models", "list_weights", "predict", "predict_latency",
    "push_to_hub", "report", "search", "similar", "train",
]  # fmt: skip

# The verbs that share a file; every other has one of its own
_FILES = {
    "build_latency": "latency", "predict_latency": "latency", "check_latency": "latency_check",
    "create_model": "models", "describe": "models", "list_models": "models",
    "from_pretrained": "hub", "push_to_hub": "hub",
    "convert_weights": "weights", "fetch_weights": "weights", "list_weights": "weights",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a verb at first use. Raises AttributeError for any other name."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mobilenets")
    if name not in __all__:
        raise AttributeError(f"module 'mobilenets' has no attribute {name!r}")
    return getattr(import_module(f"mobilenets.jobs.{_FILES.get(name, name)}"), name)


def __dir__() -> list[str]:
    """What the package offers, loaded or not."""
    return sorted({*globals(), *__all__})
