"""A small training of embeddings: each loss, killed and taken up again, and the vectors that come of it."""

import numpy as np
import pytest

from mobilenets.base.errors import UnknownName
from mobilenets.jobs.embed import embed
from mobilenets.jobs.train import train
from mobilenets.tasks.embed import retrieval
from mobilenets.training import checkpoint

NET = {"task": "embed", "model": "mobilenet_v3_small", "width": 0.35, "resolution": 32, "weights": "none"}
FAST = {"epochs": 6, "batch_size": 16, "lr": 0.004, "ema_decay": 0.9, "augment": "light"}


def test_a_training_is_reported_and_its_vectors_can_be_looked_up(shapes, tmp_path):
    result = train(shapes, out=tmp_path / "run", val=0.25, settings={**FAST, "epochs": 2}, **NET)
    assert (result["task"], result["metric"]) == ("embed", "recall1")
    assert 0 <= result["recall1"] <= 1
    document = embed(shapes / "test", model=tmp_path / "run", out=tmp_path / "v.npz")
    held = np.load(tmp_path / "v.npz")
    classes = [name.split("/")[0] for name in held["files"].tolist()]
    found = retrieval(held["vectors"], np.unique(classes, return_inverse=True)[1])
    assert document["size"] == held["vectors"].shape[1] == 128
    assert found["recall1"] <= found["recall5"] <= found["recall10"]


@pytest.mark.parametrize("loss", ["classify", "supcon"])
def test_other_losses_train_and_what_they_learn_is_kept(shapes, tmp_path, loss):
    settings = {**FAST, "epochs": 1, "embed_loss": loss}
    train(shapes, out=tmp_path / "run", val=0.25, settings=settings, **NET)
    tensors, facts = checkpoint.read(tmp_path / "run" / "checkpoints" / "last.safetensors")
    learnt = [name for name in tensors if "classifier" in name or name.endswith("length")]
    assert bool(learnt) is (loss == "classify")
    assert facts["terms"]["embed_loss"] == loss


def test_an_unknown_loss_ends_before_anything_is_read(tmp_path):
    with pytest.raises(UnknownName, match="no embed_loss 'softmx'; did you mean softmax"):
        train(tmp_path / "nothing", settings={"embed_loss": "softmx"}, out=tmp_path / "run", **NET)
