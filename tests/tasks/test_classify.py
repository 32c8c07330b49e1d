from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from mobilenets.data.dataset import Sample
from mobilenets.tasks.classify import Scored, balanced, decode, loss, mixed, top


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


def scored(scores, truth):
    """A result whose images nobody asks for."""
    return Scored(
        scores, truth, [Sample(Path(f"{i}.png"), int(label)) for i, label in enumerate(truth)], Path()
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(1, 60), st.integers(0, 2**31))
def test_counts_equal_torchmetrics(classes, n, seed):
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, classes, generator=random).softmax(1)
    truth = torch.randint(classes, (n,), generator=random)
    found = scored(scores.numpy(), truth.numpy())
    options = {"num_classes": classes, "validate_args": False}
    for k in range(1, classes + 1):
        expected = MulticlassAccuracy(**options, average="micro", top_k=k)(scores, truth).item()
        assert top(k, found.scores, found.truth) == pytest.approx(expected, abs=1e-6)
    assert found.value == found.metrics["top1"] == top(1, found.scores, found.truth)
    assert found.confusion() == MulticlassConfusionMatrix(**options)(scores, truth).tolist()


def test_counts_by_hand():
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4]], np.float32)
    found = scored(scores, np.array([0, 1, 1, 0]))
    assert found.predicted.tolist() == [0, 1, 0, 2]
    assert (found.metrics, top(2, found.scores, found.truth)) == ({"top1": 0.5, "top5": 1.0}, 1.0)
    assert found.document()["metrics"] == {"top1": 0.5}  # of three classes, five hold every one
    assert found.confusion() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_among_equal_scores_the_lower_index_is_said():
    found = scored(np.full((2, 40), 0.025, np.float32), np.array([0, 7]))
    shares = [top(k, found.scores, found.truth) for k in (1, 7, 8)]
    assert (found.predicted.tolist(), shares) == ([0, 0], [0.5, 0.5, 1.0])
    assert found.document()["metrics"] == {"top1": 0.5, "top5": 0.5}


def test_predictions_name_files_below_the_root():
    samples = [Sample(Path("root/a/1.png"), 0), Sample(Path("root/b/2.png"), 1)]
    scores, truth = np.array([[0.75, 0.25], [1 - 1e-7, 1e-7]]), np.array([0, 1])
    assert Scored(scores, truth, samples, Path("root")).predictions() == [
        {"file": "a/1.png", "label": 0, "predicted": 0, "score": 0.75},
        {"file": "b/2.png", "label": 1, "predicted": 0, "score": 1.0},
    ]


def test_decode_ranks_classes_and_breaks_ties_by_index():
    rows = decode(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]], np.float32), ("a", "b", "c"), top=2)
    assert [[item["label"] for item in row] for row in rows] == [["b", "c"], ["a", "c"]]
    assert rows[0][0] == {"index": 1, "label": "b", "score": 0.5}
    assert rows[1][1]["score"] == 0.4  # six digits, without the rest that float32 leaves
    assert len(decode(np.array([[0.6, 0.4]]), ("a", "b"), top=5)[0]) == 2
