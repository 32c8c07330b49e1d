import math

import numpy as np
import pytest
import torch

from mobilenets.tasks.classify import Metric, balanced, decode, loss, mixed


def by_hand(logits, targets, smoothing, weights):
    """Cross-entropy written out in numpy, in double precision."""
    z = logits.numpy().astype(np.float64)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    whole = np.eye(z.shape[1])[targets.numpy()] if targets.ndim == 1 else targets.numpy()
    soft = (1 - smoothing) * whole + smoothing / z.shape[1]
    total = -(soft * logp * weights).sum()
    return total / (weights[targets.numpy()].sum() if targets.ndim == 1 else len(z))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_cross_entropy(smoothing, soft, weighted):
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(16, 5, generator=random)
    targets = torch.randint(5, (16,), generator=random)
    if soft:
        targets = torch.rand(16, 5, generator=random).softmax(1)
    weights = torch.tensor([0.5, 1, 2, 0, 3]) if weighted else None
    expected = by_hand(logits, targets, smoothing, weights.numpy() if weighted else np.ones(5))
    found = loss(logits, targets, smoothing=smoothing, weights=weights)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_computed_in_float32():
    logits = torch.tensor([[100.0, 0.3]], dtype=torch.bfloat16)
    assert loss(logits, torch.tensor([1])).dtype == torch.float32


def test_balanced_weights_make_classes_count_alike():
    counts = [10, 30, 0, 60]
    weights = balanced(counts)
    assert (weights * torch.tensor(counts)).tolist() == pytest.approx([25, 25, 0, 25])
    assert balanced([7, 7]).tolist() == [1, 1]


def test_mixup_blends_images_and_targets_alike():
    pixels = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    images, shares = mixed(pixels, torch.tensor([0, 1, 2, 1]), 3, alpha=1.0, seed=5)
    share = np.random.default_rng(5).beta(1.0, 1.0)
    assert images[0, 0, 0, 0].item() == pytest.approx(3 * (1 - share))
    assert shares[0].tolist() == pytest.approx([share, 1 - share, 0])
    assert shares.sum(1).tolist() == pytest.approx([1] * 4)
    again, _ = mixed(pixels, torch.tensor([0, 1, 2, 1]), 3, alpha=1.0, seed=5)
    assert torch.equal(images, again)


def test_the_metric_counts():
    probabilities = torch.eye(6)[[0, 0, 1, 2, 2, 5]] * 0.5 + torch.linspace(0.3, 0.1, 6)
    truth = torch.tensor([0, 1, 1, 2, 5, 5])
    metric = Metric(6)
    metric.update(probabilities[:2], truth[:2])
    metric.update(probabilities[2:], truth[2:])
    found = metric.compute()
    assert found["top1"] == pytest.approx(4 / 6)
    assert found["top5"] == pytest.approx(5 / 6)  # class 5 is the least likely wherever it is not said
    assert found["recall"] == pytest.approx([1, 0.5, 1, 0, 0, 0.5])
    assert found["precision"] == pytest.approx([0.5, 1, 0.5, 0, 0, 1])
    confusion = np.zeros((6, 6), int)
    np.add.at(confusion, (truth.numpy(), probabilities.argmax(1).numpy()), 1)
    assert found["confusion"] == confusion.tolist()


def test_two_classes_have_a_metric_too():
    metric = Metric(2)
    metric.update(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1]))
    found = metric.compute()
    assert (found["top1"], found["top5"], found["confusion"]) == (0.5, 1.0, [[1, 0], [1, 0]])


def test_decode_ranks_classes_and_breaks_ties_by_index():
    rows = decode(torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]), ("a", "b", "c"), top=2)
    assert [[item["label"] for item in row] for row in rows] == [["b", "c"], ["a", "c"]]
    assert rows[0][0] == {"index": 1, "label": "b", "score": 0.5}
    assert len(decode(torch.tensor([[0.6, 0.4]]), ("a", "b"), top=5)[0]) == 2
    assert math.isclose(sum(item["score"] for item in rows[1]), 0.8, rel_tol=1e-6)
