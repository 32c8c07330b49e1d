"""`mobilenets describe`."""

from typing import Annotated, Any

import typer

from mobilenets.cli.models import Measure
from mobilenets.cli.options import Dialect, Width
from mobilenets.cli.output import millions, number, percent, table


def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A network; see `mobilenets models`.")],
    *,
    width: Width = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="Side of the input; if not given 224, of a detector or segmenter its own."
        ),
    ] = None,
    dialect: Dialect = None,
    ops: Annotated[bool, typer.Option(help="Every operation, with its shapes and costs.")] = True,
    measure: Measure = None,
) -> dict[str, Any]:
    """Show a network as its paper's table, with what it costs.

    For example:

      mobilenets describe mobilenet_v3_small --width 0.75 --resolution 160
    """
    from mobilenets.jobs.models import describe as job

    return job(name, width=width, resolution=resolution, dialect=dialect, ops=ops, measure=measure)


def show(document: dict[str, Any]) -> None:
    """The paper's table, every operation, the costs, and what was published and measured."""
    from mobilenets.arch.codec import decode
    from mobilenets.arch.lower import lower

    arch = decode(document["arch"])
    print(f"{arch}\n")
    if "ops" in document:
        print(f"{lower(arch)}\n")
    print(
        f"{millions(document['params'])} parameters, {millions(document['macs'])} multiply-accumulates, "
        f"{document['peak_bytes'] / 2**20:.1f} MiB of activations at most (float32, one image)"
    )
    if document["top1"] is not None:
        print(f"published: {percent(document['top1'])} top-1 on ImageNet ({document['source']})")
    if document["weights"]:
        print(f"weights: {document['weights']}")
    if measured := document.get("measured"):
        print(f"measured: {_timing(measured)}")
    if document["latency"]:
        print()
        rows = [
            (one["device"], one["precision"], f"{one['ms']:g}", one["source"]) for one in document["latency"]
        ]
        table(("published latency", "precision", "ms", "source"), rows, right=(2,))
    if "redesign" in document:
        print()
        _show_redesign(document["redesign"])


def _show_redesign(rows: list[dict[str, Any]]) -> None:
    """The costly layers as published beside what they were before."""
    cells = [
        (
            row["layers"],
            millions(row["params"]),
            millions(row["macs"]),
            millions(row["more_macs"]),
            millions(row["paper_more_macs"]) if row["paper_more_macs"] else "-",
            number((row["measured"] or {}).get("median_ms")),
        )
        for row in rows
    ]
    columns = ("costly layers", "params", "MACs", "more", "more, paper", "here, ms")
    table(columns, cells, right=(1, 2, 3, 4, 5))


def _timing(measured: dict[str, Any]) -> str:
    """The median with its spread and terms."""
    spread = f"interquartile range {measured['iqr_ms']:.2f} of {measured['runs']} runs"
    where = f"{measured['target']}, {measured['environment']['cpu']}"
    return f"{measured['median_ms']:.2f} ms ({spread}) on {where}"
