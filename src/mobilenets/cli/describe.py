"""`mobilenets describe`."""

from typing import Annotated, Any

import typer

from mobilenets.cli.options import Dialect, Side, Width
from mobilenets.cli.output import millions, percent


def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A network; see `mobilenets models`.")],
    *,
    width: Width = None,
    resolution: Side = 224,
    dialect: Dialect = None,
    ops: Annotated[
        bool, typer.Option("--ops", help="Also every operation, with its shapes and costs.")
    ] = False,
) -> dict[str, Any]:
    """Show a network as its paper's table, with what it costs.

    For example:

      mobilenets describe mobilenet_v3_small --width 0.75 --resolution 160 --ops
    """
    from mobilenets.jobs.models import describe as job

    return job(name, width=width, resolution=resolution, dialect=dialect, ops=ops)


def show(document: dict[str, Any]) -> None:
    """The paper's table, the costs, and the operations where they were asked for."""
    from mobilenets.arch.codec import decode
    from mobilenets.arch.lower import lower

    arch = decode(document["arch"])
    print(arch)
    print()
    print(
        f"{millions(document['params'])} parameters, {millions(document['macs'])} multiply-accumulates, ",
        end="",
    )
    print(f"{document['peak_bytes'] / 2**20:.1f} MiB of activations at most (float32, one image)")
    if document["top1"] is not None:
        print(f"published: {percent(document['top1'])} top-1 on ImageNet ({document['source']})")
    if document["weights"]:
        print(f"weights: {document['weights']}")
    if "ops" in document:
        print(f"\n{lower(arch)}")
