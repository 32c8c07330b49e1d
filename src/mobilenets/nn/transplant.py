"""Weights of one network into another: narrower, wider, deeper, with other kernels, or with another head.

The channels that an operation reads and writes are followed through the lowered network. Channels that are
added together, filtered one by one, or scaled by a gate are the same channels, so they are chosen together.
"""

from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from mobilenets.arch.lower import Layer, Lowered, Op, lower
from mobilenets.arch.spec import HEADS, Arch, Dialect, field_names
from mobilenets.arch.stages import stages
from mobilenets.base.errors import ArchError
from mobilenets.nn.channels import Channels, Scores, named_by_layer
from mobilenets.nn.network import Network, build

ANSWERS = ("classifier", "predict")  # how the operations end that give a head's answer


def transplant(source: Network, arch: Arch, importance: Scores | None = None) -> Network:
    """A network of `arch` with the weights of `source`, which is left as it is.

    Where `arch` has fewer channels, the most important are kept, in order. A channel counts by the L2 norm of
    its filters with the batch norm folded in, over all that write it; `importance` replaces that for the
    channels written by the operations it names: {"blocks.3.expand": scores (channels,)}.
    Where it has more, the new channels begin as `build` makes them (seed torch to repeat them) and whatever
    reads them begins at zero: in evaluation mode the logits stay those of `source`, and unlike copies of old
    channels the new ones have gradients of their own.
    Larger kernels keep their centre, smaller ones are put in the middle of zeros. Blocks that add their input
    may be fewer, or more: a new one begins as the identity. A classifier for another number of classes is
    fresh, as is a head built otherwise. Strides, activations and the resolution are those of `arch`.
    Raises ArchError where a block has no counterpart, or scores do not fit the network.
    """
    _same_reading(source.arch.dialect, arch.dialect)
    old, new = lower(source.arch), lower(arch)
    if type(source.arch.head) is not type(arch.head):
        old = Lowered((*old[: len(new) - 1], old[-1]))  # another head may do without the last blocks
    plan = _plan(old, new)
    state = source.state_dict()
    channels = Channels(old, plan.depthwise, state, source.arch.dialect.norm_eps, importance or {})
    network = build(arch).to(next(source.parameters()).device)
    fresh = network.state_dict()
    for path, (before, op) in plan.pairs.items():
        for name in _keys(fresh, path):
            kept_in, kept_out = channels.kept(before, op)
            grouped = before in plan.depthwise or op.groups > 1
            given = state[before + name.removeprefix(path)]
            fresh[name] = _moved(given, fresh[name], None if grouped else kept_in, kept_out)
    for path in plan.identities:
        norm = f"{path}.norm.weight"
        for name in [norm] if norm in fresh else _keys(fresh, path):
            fresh[name].zero_()
    network.load_state_dict(fresh)
    return network.train(source.training)


class _Plan(NamedTuple):
    """What becomes of what: per operation of the new network its name in the old one and itself;

    the last operation of every block that is new; the names, in the old network, of depthwise operations.
    """

    pairs: dict[str, tuple[str, Op]]
    identities: list[str]
    depthwise: frozenset[str]


def _plan(old: Lowered, new: Lowered) -> _Plan:
    """Match the operations of two networks. Raises ArchError."""
    named_old, named_new = list(named_by_layer(old)), list(named_by_layer(new))
    pairs: dict[str, tuple[str, Op]] = {}
    identities, depthwise = [], set()
    for here, there in _matched(old, new):
        ops = named_new[here]
        if there is None:
            identities.append(_identity(here, new[here], list(ops)[-1]))
            continue
        for path, before in _operations(here, new[here], ops, named_old[there]):
            op, was = ops[path], named_old[there][before]
            _check_kind(path, op, was)
            pairs[path] = (before, op)
            if all(one.groups == one.cin == one.cout for one in (op, was)) and max(op.groups, was.groups) > 1:
                depthwise.add(before)
    return _Plan(pairs, identities, frozenset(depthwise))


def _matched(old: Lowered, new: Lowered) -> Iterator[tuple[int, int | None]]:
    """Each layer of the new network with its counterpart in the old one, None for a block that is new.

    Blocks without a residual correspond one to one; those with one may be more or fewer after each of them.
    Narrowing can make or end a residual, so networks of one depth that stride at the same places, or have no
    such runs in common, correspond block by block.
    Raises ArchError.
    """
    mine, theirs = stages(new), stages(old)
    one_depth = len(old) == len(new)
    if one_depth and (_strides(old) == _strides(new) or len(mine) != len(theirs)):
        yield from ((index, index) for index in range(len(new)))
    elif len(mine) == len(theirs):
        for stage, other in zip(mine, theirs, strict=True):
            yield from islice(zip_longest(stage, other), len(stage))
    else:
        raise ArchError(
            f"a network of {len(old) - 1} blocks cannot become one of {len(new) - 1} where other blocks "
            "add their input; only blocks that add their input may be more or fewer"
        )


def _strides(lowered: Lowered) -> list[int]:
    """The stride of every block; the head, which comes last, has none."""
    return [layer.block.stride for layer in lowered[:-1]]  # type: ignore[union-attr]


def _identity(index: int, layer: Layer, last: str) -> str:
    """The last operation of a new block, which zeroed makes it the identity. Raises ArchError without one."""
    if not layer.residual or layer.ops[-1].activation != "none":
        raise ArchError(
            f"blocks[{index}] is new and cannot begin as the identity; take a block that was there"
        )
    return last


def _operations(index: int, layer: Layer, ops: Mapping[str, Op],
                others: Mapping[str, Op]) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Names of corresponding operations in the new and the old network. Raises ArchError."""
    if isinstance(layer.block, HEADS):
        yield from _head(ops, others)
        return
    names = [op.name for op in layer.ops]
    befores = {op.name: path for path, op in others.items()}
    if set(names) != set(befores):
        differing = ", ".join(sorted(set(names) ^ set(befores)))
        raise ArchError(
            f"blocks[{index}] differs from its counterpart in {differing}; only channels and kernels may"
        )
    yield from ((path, befores[name]) for path, name in zip(ops, names, strict=True))


def _head(ops: Mapping[str, Op], others: Mapping[str, Op]) -> Iterator[tuple[str, str]]:
    """The operations that two heads share: all up to the first that is built otherwise.

    Those that give the answer are fresh where they give another number of classes or boxes.
    """
    if ops.keys() != others.keys():
        return
    for path, op in ops.items():
        was = others[path]
        if (op.norm, op.bias) != (was.norm, was.bias):
            return
        if op.cout == was.cout or not path.endswith(ANSWERS):
            yield path, path


def _check_kind(path: str, op: Op, was: Op) -> None:
    """Raise ArchError for operations of which one cannot take the weights of the other."""
    if (op.norm, op.bias) != (was.norm, was.bias):
        raise ArchError(f"{path} has a norm or bias in one of the two networks only")
    alone = [one.groups == one.cin == one.cout for one in (op, was)]
    if op.groups != was.groups and not all(alone):
        raise ArchError(f"{path} has {was.groups} groups in one network and {op.groups} in the other")


def _same_reading(old: Dialect, new: Dialect) -> None:
    """Raise ArchError where the same weights would compute something else."""
    differing = [
        f"{name} {getattr(old, name)} and {getattr(new, name)}"
        for name in field_names(Dialect)
        if name not in ("name", "norm_momentum", "hidden") and getattr(old, name) != getattr(new, name)
    ]
    if differing:
        raise ArchError(
            f"weights cannot move between dialects that compute otherwise ({', '.join(differing)}); "
            "give the new network the dialect of the old one"
        )


def _keys(state: Mapping[str, Tensor], path: str) -> list[str]:
    """The entries of a state dict that belong to one operation."""
    return [name for name in state if name.startswith(f"{path}.")]


def _moved(given: Tensor, fresh: Tensor, kept_in: Tensor | None, kept_out: Tensor) -> Tensor:
    """`fresh` with the kept channels of `given` first; what reads the new channels into them is zero.

    Scalars (the steps a norm has counted), vectors (out,) and weights (out, in[, k, k]), whose inputs stay
    where `kept_in` is None.
    """
    if given.dim() == 0:
        return given.clone()
    rows = given.index_select(0, kept_out.to(given.device))
    moved = fresh.clone()
    if given.dim() == 1:
        moved[: len(rows)] = rows
        return moved
    if kept_in is not None:
        rows = rows.index_select(1, kept_in.to(given.device))
    if fresh.dim() == 4:
        rows = rows if rows.dim() == 4 else rows[:, :, None, None]  # a linear layer as a 1x1 convolution
        edge = (fresh.shape[-1] - rows.shape[-1]) // 2
        rows = F.pad(rows, (edge,) * 4)  # a negative edge crops
    elif rows.dim() == 4:
        rows = rows.flatten(1)
    moved[: len(rows)] = 0
    moved[: len(rows), : rows.shape[1]] = rows
    return moved
