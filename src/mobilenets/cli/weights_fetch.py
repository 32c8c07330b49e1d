"""`mobilenets weights fetch`."""

from typing import Annotated, Any

import typer

from mobilenets.cli.output import facts


def weights_fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A name of `mobilenets weights list`, or a network for its best."
        ),
    ],
) -> dict[str, Any]:
    """Download published weights once, and check them.

    Files with an address go to $MOBILENETS_CACHE, those of the Hugging Face hub to the hub's own cache.

    For example:

      mobilenets weights fetch torchvision/mobilenet_v2.imagenet1k_v2
    """
    from mobilenets.jobs.weights import fetch_weights

    return fetch_weights(name)


def show(document: dict[str, Any]) -> None:
    """Where the file is."""
    facts(document)
