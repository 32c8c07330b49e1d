"""Training states on disk: tensors in safetensors, everything else as JSON in its header.

`last` is the newest state, `previous` beside it the one before: a file that a failing disk spoils costs one
step back and not the training.
"""

import json
import os
import shutil
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from mobilenets.base.console import say
from mobilenets.base.errors import ConfigMismatch, RunError, WeightsError
from mobilenets.base.files import replacing, write_bytes
from mobilenets.base.run import Run, changes
from mobilenets.nn import read_safetensors
from mobilenets.training.progress import Progress

KEY = "mobilenets.training"
SCHEMA = 1
MODEL, AVERAGE, OPTIMISER, CRITERION = "model/", "average/", "optimiser/", "criterion/"


@dataclass
class State:
    """All that a step changes. Random choices need no state: they follow from the position."""

    network: nn.Module
    criterion: nn.Module
    average: nn.Module | None
    optimiser: torch.optim.Optimizer
    progress: Progress

    def parameters(self) -> dict[str, nn.Parameter]:
        """What the optimiser changes, by name."""
        own = {CRITERION + name: parameter for name, parameter in self.criterion.named_parameters()}
        return dict(self.network.named_parameters()) | own


def previous(last: Path) -> Path:
    """Where the state before `last` is kept."""
    return last.with_name("previous.safetensors")


def save(last: Path, state: State, terms: dict[str, Any]) -> None:
    """Write the state atomically; what `last` held becomes `previous`.

    `terms` is plain data that must be the same when the state is taken up again. Raises StorageError.
    """
    facts = {
        "schema": SCHEMA,
        "progress": asdict(state.progress),
        "terms": terms,
        "threads": torch.get_num_threads(),
    }
    tensors, text = _tensors(state), json.dumps(facts)
    content = to_bytes(tensors, metadata={KEY: text, "checksum": _checksum(tensors, text)})
    if last.exists():
        _keep(last)
    write_bytes(last, content)


def resume(run: Run, state: State, terms: dict[str, Any]) -> bool:
    """Put the newest state of a run into `state`; False where there is none yet.

    Raises RunError in one line when the file is broken or of another network, ConfigMismatch when it was made
    under other terms.
    """
    path = next((path for path in (run.last, previous(run.last)) if path.exists()), None)
    if path is None:
        return False
    tensors, facts = read(path)
    _refuse_other(path, facts["terms"], terms)
    if facts["threads"] != torch.get_num_threads():
        say(
            f"this training was saved with {facts['threads']} threads and goes on with "
            f"{torch.get_num_threads()}: its last digits may differ from those of a run without the break"
        )
    try:
        _restore(state, tensors)
        state.progress = Progress(**facts["progress"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} holds the training of another network ({str(error).splitlines()[0]}); use another --out"
        ) from error
    return True


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a state. Raises RunError when the file is missing, cut off or altered."""
    try:
        tensors, metadata = read_safetensors(path)
        text = metadata[KEY]
        sound = metadata["checksum"] == _checksum(tensors, text)
    except (WeightsError, KeyError, ValueError, RuntimeError) as error:
        raise _broken(path) from error
    if not sound:
        raise _broken(path)
    facts = json.loads(text)
    if facts["schema"] != SCHEMA:
        raise RunError(f"{path} was written by another version (schema {facts['schema']}); use another --out")
    return tensors, facts


def _broken(path: Path) -> RunError:
    """The one line for a state that cannot be used, and what to do."""
    other = previous(path)
    if other.exists() and other != path:
        return RunError(f"{path} is cut off or altered; delete it to go on from {other.name} beside it")
    return RunError(f"{path} is cut off or altered; delete {path.parent} to start the training again")


def _tensors(state: State) -> dict[str, Tensor]:
    """Every tensor of the state by name, on the CPU and contiguous, as safetensors wants them."""
    named = {MODEL + name: value for name, value in state.network.state_dict().items()}
    named |= {CRITERION + name: value for name, value in state.criterion.state_dict().items()}
    if state.average is not None:
        named |= {AVERAGE + name: value for name, value in state.average.state_dict().items()}
    for name, parameter in state.parameters().items():
        for key, value in state.optimiser.state.get(parameter, {}).items():
            if value is not None:
                named[f"{OPTIMISER}{name}/{key}"] = torch.as_tensor(value)
    return {name: value.detach().cpu().contiguous() for name, value in named.items()}


def _restore(state: State, tensors: dict[str, Tensor]) -> None:
    """Copy tensors into the network, loss, average and optimiser. Raises RuntimeError, KeyError."""
    state.network.load_state_dict(_under(MODEL, tensors))
    state.criterion.load_state_dict(_under(CRITERION, tensors))
    if state.average is not None:
        state.average.load_state_dict(_under(AVERAGE, tensors))
    parameters = state.parameters()
    for path, value in _under(OPTIMISER, tensors).items():
        name, key = path.rsplit("/", 1)
        parameter = parameters[name]
        if value.shape == parameter.shape and value.ndim:
            # The parameter's own memory layout: another one could change the order of sums.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        value = value.to(parameter.device)  # the count of steps too: fused optimisers want it there
        state.optimiser.state[parameter][key] = value


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    """CRC-32 over names, kinds, shapes and contents of the tensors and over the text, as hex digits."""
    total = zlib.crc32(text.encode())
    for name, value in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), total)
        total = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"


def _keep(last: Path) -> None:
    """Give the present state its second name, `previous`; a copy where the file system has no links."""
    with replacing(previous(last)) as draft:
        draft.unlink(missing_ok=True)
        with suppress(OSError):
            os.link(last, draft)
            return
        shutil.copyfile(last, draft)


def _refuse_other(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise ConfigMismatch naming what differs between two sets of terms."""
    now = json.loads(json.dumps(new))  # as it reads back: tuples are lists
    if differing := changes(old, now):
        raise ConfigMismatch(
            f"{path} holds a training on other terms ({differing}); use another --out, or the same settings"
        )
