"""One process of a training that several share; run by torchrun with the images, run folder and settings."""

import json
import os
import sys
from pathlib import Path

from training_worker import CARD, dataset_of, tiny_network

from mobilenets.base.run import Run
from mobilenets.nn import save_model
from mobilenets.training import Settings, train


def main(root: Path, folder: Path, settings: str) -> None:
    """Train, then write this process's own copy of the weights beside the run's."""
    network = tiny_network()
    train(network, dataset_of(root), CARD, Settings(**json.loads(settings)), Run(folder))
    save_model(folder / f"process{os.environ['RANK']}.safetensors", network, CARD)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
