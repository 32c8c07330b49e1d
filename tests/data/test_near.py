"""Pictures that are nearly the same, by vectors that are made up here."""

from pathlib import Path

import numpy as np
import pytest

from mobilenets.data.images import Facts
from mobilenets.data.near import LEAST, near_duplicates
from mobilenets.data.survey import Row


def rows_of(splits, labels=None):
    return [
        Row(f"{split}/{i}.jpg", split, labels[i] if labels else 0, Facts(Path(f"{i}.jpg"), digest=str(i)))
        for i, split in enumerate(splits)
    ]


def spread(n, size=32, seed=0):
    """Unit vectors that have little to do with each other."""
    vectors = np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def near(vector, share, seed=9):
    """A vector beside another, apart by so much of a random direction."""
    moved = vector + share * spread(1, len(vector), seed)[0]
    return moved / np.linalg.norm(moved)


def found(rows, vectors):
    paths = []

    def embed(given):
        paths.extend(given)
        return vectors

    findings = list(near_duplicates(rows, embed))
    assert paths == [row.facts.path for row in rows]
    return [(one.id, one.file, one.message) for one in findings]


def test_a_near_copy_is_reported_against_the_first():
    vectors = spread(600)
    vectors[570] = near(vectors[3], 0.2)  # in another block than the first
    vectors[580] = near(vectors[3], 0.2, seed=8)
    assert found(rows_of(["all"] * 600), vectors) == [
        ("near-duplicate", "all/570.jpg", "looks like all/3.jpg"),
        ("near-duplicate", "all/580.jpg", "looks like all/3.jpg"),
    ]


def test_across_splits_it_is_a_leak_and_another_class_is_told():
    splits = ["train"] * 30 + ["test"] * 20
    vectors = spread(50)
    vectors[40] = near(vectors[7], 0.2)
    labels = [0] * 40 + [1] * 10
    assert found(rows_of(splits, labels), vectors) == [
        ("near-duplicate-leak", "test/40.jpg", "looks like train/7.jpg, which has another class")
    ]


def test_the_scale_is_that_of_the_network():
    vectors = spread(100)
    vectors[50] = near(vectors[3], 0.2)
    centre = np.zeros(32, np.float32)
    centre[0] = 20  # a network that places everything close together
    packed = vectors + centre
    packed /= np.linalg.norm(packed, axis=1, keepdims=True)
    assert (packed @ packed.T).min() > 0.98
    assert found(rows_of(["all"] * 100), packed) == [("near-duplicate", "all/50.jpg", "looks like all/3.jpg")]


def test_what_is_merely_alike_is_not_reported():
    vectors = spread(100)
    vectors[50] = near(vectors[3], 1.0)
    assert found(rows_of(["all"] * 100), vectors) == []


def test_equal_bytes_are_left_to_the_check_for_copies():
    rows, vectors = rows_of(["all"] * 100), spread(100)
    vectors[50:] = vectors[:50]
    twins = [row._replace(facts=Facts(row.facts.path, digest=str(i % 50))) for i, row in enumerate(rows)]
    assert found(twins, vectors) == []
    assert len(found(rows, vectors)) == 50


@pytest.mark.parametrize("count", [1, 2, LEAST - 1])
def test_few_images_do_not_tell_what_is_usual(count):
    vectors = np.repeat(spread(1), count, axis=0)
    assert found(rows_of(["all"] * count), vectors) == []
