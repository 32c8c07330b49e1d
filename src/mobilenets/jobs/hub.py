"""`from_pretrained`, `push_to_hub`: our networks on the Hugging Face hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import WeightsError
from mobilenets.base.run import Run

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.nn import Network


def from_pretrained(
    name: str, *, revision: str | None = None, token: str | None = None
) -> tuple["Network", "Card"]:
    """A network in evaluation mode and its card, from a place like "user/birds" on the Hugging Face hub.

    `name` may be a folder with our model.safetensors too. `revision` is a branch, tag or commit; `token` is
    by default the one that `hf auth login` stored.
    Raises WeightsError when it cannot be had or is none of ours, MissingPackage without huggingface_hub.
    """
    from mobilenets.weights.hub import pretrained

    return pretrained(name, revision=revision, token=token)


def push_to_hub(
    model: str | Path, name: str, *, private: bool = False, token: str | None = None
) -> dict[str, Any]:
    """Upload a run's weights, or a .safetensors file of ours, to the place `name` on the hub, made if needed.

    Gives {name, commit}. Raises WeightsError when the file is none of ours or the hub refuses,
    MissingPackage without huggingface_hub.
    """
    from mobilenets.nn import load_model
    from mobilenets.weights.hub import HubModel, asking, reachable

    path = Path(model)
    loaded = load_model(Run(path).weights if path.is_dir() else path)
    if not reachable():
        raise WeightsError(f"the hub cannot be reached for {name}; go online")
    with asking(name):
        commit = HubModel(loaded).push_to_hub(name, private=private, token=token)
    return {"name": name, "commit": str(commit)}
