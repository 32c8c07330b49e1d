"""Weights that all networks of a space share: a tensor for each place, of which every network has a slice."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mobilenets.arch.lower import Layer, lower
from mobilenets.arch.spec import Arch, Dialect
from mobilenets.base.errors import UsageError
from mobilenets.nn.heads import head_module
from mobilenets.nn.network import Network, block_module, build

HEAD = "head"
KEPT = 128  # modules of networks that ran last

Shape = tuple[int, ...]


class Candidate(NamedTuple):
    """A network, and for each of its blocks the key of the place where it stands in its space."""

    arch: Arch
    places: tuple[str, ...]


class Shared(nn.Module):
    """The parameters of every network of a space, each as large as the largest of these networks has it.

    A network's own parameters are slices of them: the first output and input channels, and the centre of the
    largest kernel (as TuNAS, arXiv 2008.06120, and BigNAS, arXiv 2003.11142, have it). Batch norms share
    their scales and shifts only: statistics are those of the batch.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Of tensors by their names in a state dict."""
        super().__init__()
        for name, tensor in tensors.items():
            self.register_parameter(name, nn.Parameter(tensor))
        self._modules_of: OrderedDict[Arch, Network] = OrderedDict()

    @classmethod
    def of(cls, candidates: Iterable[Candidate]) -> "Shared":
        """Fresh ones, initialised as by `build`, that hold all of the candidates; seed torch to repeat them.

        Raises UsageError for candidates that do not belong together.
        """
        found: dict[str, Shape] = {}
        kinds: dict[str, Tensor] = {}
        for candidate in candidates:
            own = shapes(candidate)
            if own.keys() - found.keys():
                fresh = build(candidate.arch)
                kinds |= {key: fresh.get_parameter(name).detach() for name, key in _keyed(fresh, candidate)}
            for key, shape in own.items():
                found[key] = _united(key, found.get(key, shape), shape)
        return cls({_escaped(key): _fresh(kinds[key], shape) for key, shape in sorted(found.items())})

    def forward(self, candidate: Candidate, x: Tensor) -> Any:
        """What a candidate gives for normalised images (B, 3, H, W), by the statistics of this batch and
        without dropout. Gradients reach the shared tensors. Raises UsageError for one that does not fit.
        """
        module = self._module(candidate.arch)
        return functional_call(module, self._slices(module, candidate), (x,), strict=False)

    def weights(self, candidate: Candidate) -> dict[str, Tensor]:
        """The parameters of a candidate by the names of `build`, copied. Raises UsageError."""
        slices = self._slices(self._module(candidate.arch), candidate)
        return {name: one.detach().clone() for name, one in slices.items()}

    def network(self, candidate: Candidate) -> Network:
        """A network of its own with these weights; its batch norms have seen nothing. Raises UsageError."""
        network = build(candidate.arch)
        network.load_state_dict(self.weights(candidate), strict=False)
        return network

    def _slices(self, module: Network, candidate: Candidate) -> dict[str, Tensor]:
        """Each parameter's part of the shared tensors. Raises UsageError."""
        whole = dict(self.named_parameters())
        found = {}
        for name, key in _keyed(module, candidate):
            shape = tuple(module.get_parameter(name).shape)
            shared = whole.get(_escaped(key))
            if shared is None or _united(key, tuple(shared.shape), shape) != tuple(shared.shape):
                there = "nothing" if shared is None else tuple(shared.shape)
                raise UsageError(
                    f"{candidate.arch.name} needs {shape} of {key}, but the shared weights have {there}; "
                    "train them for the space that it is of"
                )
            found[name] = _sliced(shared, shape)
        return found

    def _module(self, arch: Arch) -> Network:
        """The network without numbers of its own."""
        if arch not in self._modules_of:
            self._modules_of[arch] = _hollow(arch)
            if len(self._modules_of) > KEPT:
                self._modules_of.popitem(last=False)
        self._modules_of.move_to_end(arch)
        return self._modules_of[arch]


def shapes(candidate: Candidate) -> dict[str, Shape]:
    """The shape of every parameter of a network by its shared key. Raises UsageError."""
    arch = candidate.arch
    *blocks, head = lower(arch)
    _check_places(candidate, len(blocks))
    with torch.device("meta"):
        last = head_module(head, arch).named_parameters()
    found = {f"{HEAD}:{name}": tuple(parameter.shape) for name, parameter in last}
    for place, layer in zip(candidate.places, blocks, strict=True):
        found |= {f"{place}:{name}": shape for name, shape in _of_layer(layer, arch.dialect).items()}
    return found


@lru_cache(maxsize=4096)
def _of_layer(layer: Layer, dialect: Dialect) -> dict[str, Shape]:
    """The shapes of a block's parameters."""
    with torch.device("meta"):
        block = block_module(layer, dialect)
    return {name: tuple(parameter.shape) for name, parameter in block.named_parameters()}


def holds(one: Mapping[str, Shape], other: Mapping[str, Shape]) -> bool:
    """Whether a network of the shapes `one` has all that a network of the others needs."""
    return all(
        key in one and all(a >= b for a, b in zip(one[key], shape, strict=True))
        for key, shape in other.items()
    )


def _keyed(network: Network, candidate: Candidate) -> Iterator[tuple[str, str]]:
    """The name of each parameter, and its key "stage3.1:expand.conv.weight". Raises UsageError."""
    _check_places(candidate, len(network.blocks))
    for name, _ in network.named_parameters():
        kind, _, rest = name.partition(".")
        if kind == "blocks":
            index, _, rest = rest.partition(".")
            yield name, f"{candidate.places[int(index)]}:{rest}"
        else:
            yield name, f"{HEAD}:{rest}"


def _check_places(candidate: Candidate, blocks: int) -> None:
    """Raise UsageError where places and blocks are not as many."""
    if len(candidate.places) != blocks:
        raise UsageError(
            f"{candidate.arch.name} has {blocks} blocks, but {len(candidate.places)} places are named for "
            "them; weights are shared between networks of one space"
        )


def _hollow(arch: Arch) -> Network:
    """A network on the meta device that takes batch statistics and drops nothing out."""
    with torch.device("meta"):
        network = Network(arch)
    own: Network | None = None
    for name, module in network.named_modules():
        match module:
            case nn.BatchNorm2d():
                module.running_mean = module.running_var = module.num_batches_tracked = None
                module.track_running_stats = False
            case nn.Dropout():
                module.p = 0.0
            case _:
                for buffer, value in module.named_buffers(recurse=False):  # filters that nobody learns
                    if value.is_meta:
                        own = own or Network(arch)
                        setattr(module, buffer, own.get_submodule(name).get_buffer(buffer))
    return network


def _united(key: str, one: Shape, other: Shape) -> Shape:
    """The smallest shape that holds both. Raises UsageError where there is none."""
    if len(one) != len(other):
        raise UsageError(f"{key} has the shapes {one} and {other} in two networks; they cannot share it")
    if any((a - b) % 2 for a, b in zip(one[2:], other[2:], strict=True)):
        raise UsageError(f"{key} has kernels of {one[2:]} and {other[2:]}, which have no common centre")
    return tuple(map(max, one, other))


def _sliced(shared: Tensor, shape: Shape) -> Tensor:
    """The first channels and the centre of the kernel."""
    for axis, (have, want) in enumerate(zip(shared.shape, shape, strict=True)):
        if want < have:
            shared = shared.narrow(axis, (have - want) // 2 if axis > 1 else 0, want)
    return shared


def _fresh(like: Tensor, shape: Shape) -> Tensor:
    """A tensor initialised as `build` did one of another shape: what is the same everywhere stays so."""
    if bool((like == like.flatten()[0]).all()):
        return torch.full(shape, float(like.flatten()[0]))
    if len(shape) == 4:
        return nn.init.kaiming_normal_(torch.empty(shape), mode="fan_out")
    return nn.init.normal_(torch.empty(shape), std=0.01)


def _escaped(key: str) -> str:
    """A key as torch takes names of parameters."""
    return key.replace(".", "/")
