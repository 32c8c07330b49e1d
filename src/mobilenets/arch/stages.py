"""Stages of a network: layers in a row that add their inputs to one output."""

from collections.abc import Sequence

from mobilenets.arch.lower import Layer


def stages(layers: Sequence[Layer]) -> list[list[int]]:
    """The indices of layers in runs, each begun by one without a residual: where map or width change."""
    runs: list[list[int]] = []
    for index, layer in enumerate(layers):
        if layer.residual and runs:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs
