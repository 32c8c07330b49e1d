"""One small run, made once: what every verb is tried on."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

SHAPES = {"disc": "ellipse", "square": "rectangle"}
# after 15 epochs the top-1 hangs on the order of sums, and so on the number of threads; after 45 it is 1
FAST = {"epochs": 45, "batch_size": 8, "lr": 0.005, "ema_decay": 0.9, "augment": "light"}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of our own, so that no test finds what another run left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOBILENETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def draw(path, label, seed):
    """A white disc or square on coloured noise."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 120, (48, 48, 3), dtype=np.uint8))
    left, top = random.integers(2, 16, 2)
    getattr(ImageDraw.Draw(image), SHAPES[label])((left, top, left + 28, top + 28), fill="white")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """Two classes: 48 images to train on, 16 to test on."""
    root = tmp_path_factory.mktemp("shapes")
    for k, label in enumerate(SHAPES):
        for i in range(32):
            draw(root / ("train" if i < 24 else "test") / label / f"{i:02}.png", label, [k, i])
    return root


@pytest.fixture(scope="session")
def fitted(shapes, tmp_path_factory):
    """A run folder that `fit` made on the shapes, and what it returned."""
    from mobilenets.jobs.fit import fit

    out = tmp_path_factory.mktemp("runs") / "shapes"
    asked = {
        "model": "mobilenet_v3_small",
        "width": 0.35,
        "resolution": 32,
        "weights": "none",
        "settings": FAST,
    }
    result = fit(shapes, budget="50ms", out=out, **asked)
    return out, result, asked
