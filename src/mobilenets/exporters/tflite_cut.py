"""One output of a TFLite model as a model of its own."""

import copy
from collections.abc import Iterable, Mapping, Set

from mobilenets.base.errors import needs

with needs("ai-edge-litert", "litert"):
    from ai_edge_litert import schema_py_generated as schema

ABSENT = -1  # in the place of an optional input


def cut(model: schema.ModelT) -> list[schema.ModelT]:
    """A model for each output, with what leads to it and nothing else; weights are shared, not copied.

    They are in the order in which the converted module gave them, which its signature tells by their names.
    """
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    by_name = {entry.name.decode(): entry.tensorIndex for entry in signature.outputs}
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    given = {entry.tensorIndex for entry in signature.inputs}
    return [_leading_to(by_name[f"output_{index}"], model, makers, given) for index in range(len(by_name))]


def unguarded(model: schema.ModelT) -> schema.ModelT:
    """The model without the depthwise 1x1 convolutions on its inputs and its output (`parts.Guarded`)."""
    graph = model.subgraphs[0]
    makers = {int(output): operator for operator in graph.operators for output in operator.outputs}
    readers = {int(tensor): one for one in graph.operators for tensor in one.inputs}
    inputs = {
        int(readers[tensor].outputs[0]) if _is_map(graph, tensor) else tensor for tensor in graph.inputs
    }
    (output,) = graph.outputs
    inner = int(makers[output].inputs[0]) if _is_map(graph, output) else output
    return _leading_to(
        inner, model, {made: one for made, one in makers.items() if made not in inputs}, inputs
    )


def _is_map(graph: schema.SubGraphT, tensor: int) -> bool:
    """Whether a tensor is (1, H, W, C)."""
    return len(graph.tensors[tensor].shape) == 4


def _leading_to(
    output: int, model: schema.ModelT, makers: Mapping[int, schema.OperatorT], given: Set[int]
) -> schema.ModelT:
    """The model of one output; `makers` are the operators by what they give, `given` the inputs."""
    graph, needed = model.subgraphs[0], _needed(output, makers)
    places = {old: new for new, old in enumerate(sorted(needed))} | {ABSENT: ABSENT}
    tensors, buffers = [], [schema.BufferT()]  # the first buffer is that of what is computed
    for old in sorted(needed):
        tensor = copy.copy(graph.tensors[old])
        content = model.buffers[tensor.buffer]
        tensor.buffer = 0
        if content.data is not None:
            tensor.buffer = len(buffers)
            buffers.append(content)
        tensors.append(tensor)
    operators = [
        _moved(one, places) for one in graph.operators if int(one.outputs[0]) in needed & set(makers)
    ]
    single = schema.SubGraphT(
        tensors=tensors,
        inputs=[places[tensor] for tensor in sorted(needed & given)],
        outputs=[places[output]],
        operators=operators,
        name=b"main",
    )
    return schema.ModelT(
        version=model.version,
        operatorCodes=model.operatorCodes,
        subgraphs=[single],
        buffers=buffers,
        description=model.description,
    )


def _needed(output: int, makers: Mapping[int, schema.OperatorT]) -> set[int]:
    """The tensors that an output depends on, itself included."""
    needed, wanted = {output}, [output]
    while wanted:
        made = wanted.pop()
        before = {int(tensor) for tensor in makers[made].inputs} if made in makers else set()
        wanted += before - needed - {ABSENT}
        needed |= before - {ABSENT}
    return needed


def _moved(operator: schema.OperatorT, places: Mapping[int, int]) -> schema.OperatorT:
    """The operator on tensors that have other places."""
    moved = copy.copy(operator)
    moved.inputs, moved.outputs = _at(operator.inputs, places), _at(operator.outputs, places)
    return moved


def _at(tensors: Iterable[int], places: Mapping[int, int]) -> list[int]:
    """The places of tensors."""
    return [places[int(tensor)] for tensor in tensors]
