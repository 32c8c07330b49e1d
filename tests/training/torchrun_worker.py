"""One process of a training that several share; run by torchrun with the images, run folder and settings."""

import json
import os
import sys
from pathlib import Path

from training_worker import CARD, dataset_of, lessons, tiny_network

from mobilenets.base.run import Run
from mobilenets.nn import save_model
from mobilenets.training import Settings, train


def main(root: Path, folder: Path, settings: str, taught: bool) -> None:
    """Train, then write this process's own copy of the weights beside the run's."""
    network, dataset = tiny_network(), dataset_of(root)
    more = lessons(dataset) if taught else ()
    train(network, dataset, CARD, Settings(**json.loads(settings)), Run(folder), *more)
    save_model(folder / f"process{os.environ['RANK']}.safetensors", network, CARD)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], "taught" in sys.argv)
