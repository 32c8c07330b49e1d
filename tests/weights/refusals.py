"""What every reader of weights files owes a user whose file does not fit."""

import pytest
import torch

from mobilenets.arch.zoo import find
from mobilenets.base.errors import WeightsError
from mobilenets.nn import build
from mobilenets.weights import load_weights


def refused(path, message, dialect):
    """Loading fails in one line, and the network is as before."""
    ours = build(find("mobilenet_v1", 0.25, 32, 10, dialect))
    before = {key: tensor.clone() for key, tensor in ours.state_dict().items()}
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(ours, path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in ours.state_dict().items())
