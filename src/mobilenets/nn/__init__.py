"""From a description to a torch module."""

from mobilenets.nn.deploy import Deployed, answer, normalise
from mobilenets.nn.files import load_model, read_safetensors, save_model
from mobilenets.nn.network import Network, build
from mobilenets.nn.transplant import transplant

__all__ = [
    "Deployed",
    "Network",
    "answer",
    "build",
    "load_model",
    "normalise",
    "read_safetensors",
    "save_model",
    "transplant",
]
