"""Losses and metrics of embeddings, against pytorch-metric-learning and by hand."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from torch.nn import functional as F

from mobilenets.base.errors import DataError, UnknownName
from mobilenets.tasks.embed import LOSSES, Embed, criterion, retrieval


def clustered(n, classes, size=16, noise=0.6, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(classes, size))
    labels = draw.integers(0, classes, n)
    vectors = centres[labels] + noise * draw.normal(size=(n, size)) * np.sqrt(size) / 2
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def theirs(query, labels, gallery, gallery_labels, own):
    judge = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        knn_func=CustomKNN(LpDistance(), batch_size=64),
        device=torch.device("cpu"),
    )
    given = [torch.tensor(value) for value in (query, labels, gallery, gallery_labels)]
    return judge.get_accuracy(*given, ref_includes_query=own)


@pytest.mark.parametrize("noise", [0.2, 0.6, 1.5])
def test_leave_one_out_equals_the_outsider(noise):
    vectors, labels = clustered(300, 7, noise=noise)
    found = retrieval(vectors, labels)
    known = theirs(vectors, labels, vectors, labels, own=True)
    assert 0.05 < found["map_at_r"] < 1
    assert found["recall1"] == pytest.approx(known["precision_at_1"], abs=1e-9)
    assert found["map_at_r"] == pytest.approx(known["mean_average_precision_at_r"], abs=1e-6)


def test_a_gallery_of_others_equals_the_outsider():
    vectors, labels = clustered(700, 9, noise=0.9)
    given = (vectors[:300], labels[:300], vectors[300:], labels[300:])
    found, known = retrieval(*given), theirs(*given, own=False)
    assert found["recall1"] == pytest.approx(known["precision_at_1"], abs=1e-9)
    assert found["map_at_r"] == pytest.approx(known["mean_average_precision_at_r"], abs=1e-6)
    assert found["recall1"] < found["recall5"] < found["recall10"] <= 1


def test_retrieval_by_hand():
    # on a circle: the first finds its own class second and third, of two there are
    angles = np.deg2rad([0, 10, 20, 30, 170])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = retrieval(vectors[:1], np.array([0]), vectors[1:], np.array([1, 0, 0, 1]))
    # R = 2: the first of two is wrong, the second right, so (0 + 1/2) / 2
    assert found == {"recall1": 0.0, "recall5": 1.0, "recall10": 1.0, "map_at_r": 0.25}


def test_queries_without_their_like_do_not_count():
    vectors = np.eye(4, dtype=np.float32)
    vectors[1] = vectors[0]
    assert retrieval(vectors, np.array([0, 0, 1, 2]))["recall1"] == 1.0
    with pytest.raises(DataError, match="no image has another of its class"):
        retrieval(vectors, np.arange(4))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_falls_as_its_classes_part(name):
    torch.manual_seed(0)
    targets = torch.arange(32) % 4
    loss = criterion(name, 4, 16)
    vectors = torch.nn.Parameter(torch.randn(32, 16))
    optimiser = torch.optim.Adam([vectors, *loss.parameters()], lr=0.05)
    before, values = retrieval(vectors.detach().numpy(), targets.numpy())["recall1"], []
    for _ in range(150):
        value = loss(F.normalize(vectors), targets)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert before < 0.5
    assert values[-1] < 0.7 * values[0]
    assert retrieval(vectors.detach().numpy(), targets.numpy())["recall1"] > 0.9


def test_smoothing_zero_is_the_plain_loss_and_more_is_not():
    torch.manual_seed(1)
    plain = losses.NormalizedSoftmaxLoss(5, 8)
    vectors, targets = F.normalize(torch.randn(20, 8)), torch.arange(20) % 5
    for smoothing, same in ((0.0, True), (0.1, False)):
        ours = criterion("softmax", 5, 8, smoothing)
        ours.load_state_dict({f"loss.{name}": value for name, value in plain.state_dict().items()})
        assert torch.allclose(ours(vectors, targets), plain(vectors, targets)) is same


def test_losses_with_proxies_have_parameters_and_the_others_none():
    have = {name: bool(list(criterion(name, 3, 8).parameters())) for name in LOSSES}
    assert have == {
        "softmax": True, "classify": True, "arcface": True, "proxy_anchor": True,
        "multi_similarity": False, "supcon": False,
    }  # fmt: skip


def test_an_unknown_loss_is_named():
    with pytest.raises(UnknownName, match="no loss 'arc_face'; did you mean arcface"):
        criterion("arc_face", 3, 8)


def test_a_val_split_without_pairs_is_refused_at_once(tmp_path):
    from mobilenets.data.dataset import Sample

    with pytest.raises(DataError, match="no class has two images in the val split"):
        Embed().val_feed([Sample(tmp_path / "a.jpg", 0), Sample(tmp_path / "b.jpg", 1)], None)
