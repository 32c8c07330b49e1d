"""Whatever an annotation holds, reading it ends in a data set, in findings, or in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from annotated import photo
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilenets.base.errors import DataError
from mobilenets.data.dataset import Box, BoxedSample, MaskedSample
from mobilenets.data.doctor import examine
from mobilenets.data.listing import Listing
from mobilenets.data.load import load_dataset
from mobilenets.data.masks import read_mask
from mobilenets.data.masks.coding import by_value
from mobilenets.data.writing import WRITERS, write

ANNOTATIONS = (".xml", ".json", ".yaml", ".txt", ".png")
LAYOUTS = [(task, layout) for task in WRITERS for layout in WRITERS[task]]


def listing(root, task):
    """Two splits of two images."""
    mask = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((24, 32), np.uint8))
    coding = by_value(["sky", "cat", "dog"], root).coding
    files = {}
    for k, split in enumerate(("train", "val")):
        samples = []
        for i in range(2):
            path = photo(root / split / f"{split}{i}.jpg", seed=10 * k + i)
            Image.fromarray(mask).save(path.with_suffix(".png"))
            boxes = (Box(1, 1, 2, 30, 40.5), Box(2, 5, 5, 20, 20))
            pixels = tuple(map(int, np.bincount(mask.ravel())))
            samples.append(
                BoxedSample(path, 64, 48, boxes)
                if task == "detect"
                else MaskedSample(path, path.with_suffix(".png"), 64, 48, coding, pixels=pixels)
            )
        files[split] = tuple(samples)
    return Listing(root, ("sky", "cat", "dog"), files)


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A sound data set in each layout."""
    root = tmp_path_factory.mktemp("sound")
    for task, layout in LAYOUTS:
        write(listing(root / "ours" / task / layout, task), task, layout, root / task / layout)
    return root


def judged(source, task):
    """Load and examine: nothing but DataError may come, and every line is one line."""
    line = ""
    try:
        dataset, _ = load_dataset(source, task=task)
        if task == "segment":
            assert {read_mask(sample).shape for sample in dataset.train} <= {(48, 64)}
    except DataError as error:
        line = str(error)
    assert "\n" not in line
    for finding in examine(source, task):
        assert "\n" not in finding.file + finding.message + finding.fix
        assert finding.fix


def damaged(content, draw):
    """Bytes with some cut out, overwritten or repeated."""
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 40)))
    middle = draw(
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from(
                [b"-1", b"1e999", b"nan", b"null", b"[]", b"{}", b'"', b"../x", b"\xff\xfe", b"9" * 30]
            ),
            st.just(content[start:end] * 2),
        )
    )
    return content[:start] + middle + content[end:]


@pytest.mark.parametrize(("task", "layout"), LAYOUTS)
@settings(deadline=None, max_examples=5)
@given(data=st.data())
def test_damaged_bytes(task, layout, data, homes, tmp_path_factory):
    spoil(homes / task / layout, task, data, tmp_path_factory, damaged)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def replaced(content, draw):
    """A JSON with one of its values replaced by any other."""
    document = json.loads(content)
    holder, key = document, draw(st.sampled_from(sorted(document)))
    while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 4)):
        holder = holder[key]
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[key] = draw(VALUES)
    return json.dumps(document).encode()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detect", "segment"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_json_with_any_value_in_any_place(task, data, homes, tmp_path_factory):
    spoil(homes / task / "coco", task, data, tmp_path_factory, replaced)


def spoil(home: Path, task, data, factory, change):
    """Change one annotation in a copy of the data set, and judge that."""
    source = factory.mktemp("spoiled") / "set"
    shutil.copytree(home, source, copy_function=shutil.copyfile)
    paths = sorted(path for path in source.rglob("*") if path.suffix in ANNOTATIONS)
    path = data.draw(st.sampled_from(paths))
    path.write_bytes(change(path.read_bytes(), data.draw))
    judged(source, task)
