"""Saves a Keras application with random weights in every file layout, and its logits. Run in its own process.

Usage: python keras_worker.py OUT NAME SIDE OPTIONS-AS-JSON, with KERAS_BACKEND set.
"""

import json
import sys
from pathlib import Path

import numpy as np


def make(name, side, options):
    """The model, its norms far from the identity."""
    import keras

    model = getattr(keras.applications, name)(
        input_shape=(side, side, 3), weights=None, classifier_activation=None, **options
    )
    rng = np.random.default_rng(0)
    pairs = zip(model.weights, model.get_weights(), strict=True)
    model.set_weights([fresh(rng, weight.path, value) for weight, value in pairs])
    return model


def fresh(rng, path, value):
    """Random numbers that keep the signal alive through 50 layers."""
    kind = path.rpartition("/")[2]
    if kind in ("gamma", "moving_variance"):
        return rng.uniform(0.5, 1.5, value.shape).astype("float32")
    if value.ndim == 1:
        return rng.normal(0, 0.1, value.shape).astype("float32")
    fan_in = value[..., 0].size if value.shape[-1] > 1 or value.ndim == 2 else value.shape[0] * value.shape[1]
    return (rng.normal(0, 1, value.shape) * (2 / fan_in) ** 0.5).astype("float32")


def tame(model, images):
    """Scale the classifier to logits of spread 1, so that an absolute tolerance means the same everywhere."""
    *body, kernel, bias = model.get_weights()
    spread = logits(model, images).std()
    model.set_weights([*body, kernel / spread, bias / spread])


def save(model, folder):
    """All layouts: by layer name with and without the model around it, by number, the archive."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    model.save(folder / "model.keras")
    model.save(folder / "whole.h5")
    model.save_weights(folder / "model.weights.h5")
    with h5py.File(folder / "legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def logits(model, images):
    """Logits (B, classes) of images (B, H, W, 3) as numpy arrays."""
    import keras

    return keras.ops.convert_to_numpy(model(images, training=False))


def main(out, name, side, options):
    folder = Path(out)
    model = make(name, int(side), json.loads(options))
    images = np.random.default_rng(1).uniform(0, 255, (4, int(side), int(side), 3)).astype("float32")
    given = images if "V3" in name else images / 127.5 - 1  # V3 has the scaling inside
    tame(model, given)
    save(model, folder)
    np.savez(folder / "expected.npz", images=images, logits=logits(model, given))


if __name__ == "__main__":
    main(*sys.argv[1:])
