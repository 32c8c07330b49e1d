"""Our networks on the Hugging Face hub: its mixin around our weights file, and files of others by name.

Only who asks for it loads this file; it takes the extra `hub`. Tokens, cache folder and endpoint are those of
huggingface_hub, with its settings.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from mobilenets.arch.card import Card
from mobilenets.base.errors import MobilenetsError, WeightsError, needs, shown
from mobilenets.base.files import sha256
from mobilenets.nn import Network, load_model, save_model

with needs("huggingface_hub", "hub"):
    from huggingface_hub import ModelHubMixin, hf_hub_download
    from huggingface_hub.constants import ENDPOINT

FILE = "model.safetensors"
# What the mixin hands on and a download takes
DOWNLOADING = ("cache_dir", "force_download", "local_files_only", "revision", "token")
PATIENCE = 5.0  # seconds until a server that does not answer counts as away
SHA256 = re.compile("[0-9a-f]{64}")


class HubModel(ModelHubMixin, library_name="mobilenets", tags=["image-classification", "mobilenet"]):
    """A network and its card, with `from_pretrained`, `save_pretrained` and `push_to_hub` of the hub's mixin.

    A place on the hub holds `model.safetensors` as `save_model` writes it, with the card in its header.
    """

    def __init__(self, loaded: tuple[Network, Card]) -> None:
        # together, for the mixin would write a card alone into a config.json beside the one in our file
        self.network, self.card = loaded

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write our file into the folder that is to be uploaded."""
        save_model(save_directory / FILE, self.network, self.card)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "HubModel":
        """The network in a folder, or in a place on the hub. Raises WeightsError."""
        return cls(pretrained(model_id, **{key: options[key] for key in DOWNLOADING if key in options}))


def pretrained(name: str, **options: Any) -> tuple[Network, Card]:
    """The network, in evaluation mode, and the card in a folder or a place on the hub. Raises WeightsError.

    Unlike the mixin's `from_pretrained` it asks for nothing but our file, so that the cache suffices offline.
    """
    folder = Path(name)
    return load_model(folder / FILE if folder.is_dir() else download(name, FILE, **options))


def download(repo: str, file: str, **options: Any) -> Path:
    """A file of the place `repo`, from the hub's cache where it is there already, or nobody can be asked.

    The hub names a large file by its SHA-256, which is checked. Raises WeightsError.
    """
    options["local_files_only"] = options.get("local_files_only") or not reachable()
    with asking(repo):
        path = Path(hf_hub_download(repo, file, **options))
    named = path.resolve().name
    if SHA256.fullmatch(named) and sha256(path) != named:
        path.resolve().unlink()
        raise WeightsError(
            f"{repo}/{file} is not what the hub names it by (SHA-256 {named[:16]}...); try again"
        )
    return path


def reachable() -> bool:
    """Whether the hub's server takes connections; through a proxy it counts as such.

    The hub's own client would try six times within half a minute.
    """
    address = urlsplit(ENDPOINT)
    if address.scheme in getproxies():
        return True
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), PATIENCE).close()
    except OSError:
        return False
    return True


@contextmanager
def asking(repo: str) -> Iterator[None]:
    """Turn whatever the hub or the network does into one line about `repo`. Raises WeightsError."""
    try:
        yield
    except MobilenetsError:
        raise
    except Exception as error:  # of several libraries below the hub's, with no common parent
        if not reachable():
            raise WeightsError(f"{ENDPOINT} cannot be reached for {shown(repo)}; go online") from error
        reason = " ".join(str(error).split())[:160].rpartition(". ")[0] or str(error)[:160]
        raise WeightsError(
            f"{shown(repo)} on the hub at {ENDPOINT} cannot be used ({type(error).__name__}: {reason}); "
            "check the name, or log in with `hf auth login`"
        ) from error
