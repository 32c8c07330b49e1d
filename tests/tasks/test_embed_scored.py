"""What queries find: neighbours in order, wrong ones first, nobody finds itself."""

import json
from pathlib import Path

import numpy as np

from mobilenets.data.dataset import Sample
from mobilenets.tasks.embed import retrieval
from mobilenets.tasks.embed_scored import NEAREST, SHOWN, Scored

ROOT = Path("/photos")
LABELS = ("a", "b", "c")


def made(n, seed, noise=0.6):
    """Unit vectors around three corners, and the samples they are of."""
    random = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    vectors = np.eye(3, 8)[classes] + noise * random.normal(size=(n, 8))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit, [Sample(ROOT / f"{seed}/{i}.jpg", int(c)) for i, c in enumerate(classes)]


def test_neighbours_are_the_nearest_of_the_gallery():
    (queries, samples), (gallery, stock) = made(90, 0), made(60, 1)
    scored = Scored(queries, samples, LABELS, ROOT, gallery, stock)
    document = scored.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["gallery"] == 60
    classes, theirs = (np.array([s.label for s in group]) for group in (samples, stock))
    assert document["metrics"] == retrieval(queries, classes, gallery, theirs)
    told = document["neighbours"]
    right = [row["nearest"][0]["index"] == row["index"] for row in told]
    assert right == sorted(right)  # wrong ones first
    assert right.count(True) == SHOWN
    assert 0 < right.count(False) <= SHOWN
    assert {row["index"] for row, good in zip(told, right, strict=True) if good} == {0, 1, 2}
    for row in told:
        i = int(Path(row["file"]).stem)
        best = np.argsort(-(gallery @ queries[i]), kind="stable")[:NEAREST]
        assert [one["file"] for one in row["nearest"]] == [f"1/{j}.jpg" for j in best]
        assert np.allclose([one["score"] for one in row["nearest"]], gallery[best] @ queries[i], atol=1e-4)


def test_without_a_gallery_nobody_finds_itself():
    vectors, samples = made(700, 2)  # more than one block
    scored = Scored(vectors, samples, LABELS, ROOT)
    for row in scored.document()["neighbours"]:
        assert row["file"] not in [one["file"] for one in row["nearest"]]
    few = Scored(vectors[:4], samples[:4], LABELS, ROOT)
    assert all(len(row["nearest"]) == 3 for row in few.document()["neighbours"])
    assert scored.value == scored.metrics["recall1"]
