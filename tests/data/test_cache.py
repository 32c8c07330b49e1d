import os
import pickle
import resource
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2.functional import pil_to_tensor

from mobilenets.arch.preprocess import Preprocess
from mobilenets.base.errors import DataError, StorageError
from mobilenets.data import cache as room
from mobilenets.data.cache import build_cache, build_masks
from mobilenets.data.dataset import Coding, MaskedSample, Shape
from mobilenets.data.images import open_rgb
from mobilenets.data.preprocess import resized

RECORD = Preprocess(48, 56)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def paths(tmp_path):
    """Twelve images of as many sizes."""
    made = []
    for i in range(12):
        values = np.random.default_rng(i).integers(0, 256, (40 + 7 * i, 90 - 5 * i, 3), dtype=np.uint8)
        made.append(tmp_path / f"{i}.png")
        Image.fromarray(values).save(made[-1])
    return made


def expected(paths, record=RECORD):
    return [pil_to_tensor(resized(record, open_rgb(path))) for path in paths]


def same(cache, images):
    return len(cache) == len(images) and all(torch.equal(cache[i], image) for i, image in enumerate(images))


def test_in_memory_it_holds_the_resized_images(home, paths):
    cache = build_cache(paths, RECORD)
    assert same(cache, expected(paths))
    assert not home.exists()


@pytest.mark.parametrize(("limit", "most"), [(2**30, 10**6), (30_000, 1000)])
def test_worker_processes_get_it_whole_or_by_name(home, paths, limit, most):
    cache = build_cache(paths, RECORD, limit_bytes=limit)
    sent = pickle.dumps(cache)
    assert len(sent) < most
    assert same(pickle.loads(sent), expected(paths))


def test_a_worker_process_names_a_file_that_has_gone(home, paths):
    sent = pickle.dumps(build_cache(paths, RECORD, limit_bytes=0))
    next(home.iterdir()).unlink()
    with pytest.raises(StorageError, match=r"\.pixels cannot be read back"):
        pickle.loads(sent)


def test_on_disk_it_holds_the_same(home, paths):
    cache = build_cache(paths, RECORD, limit_bytes=30_000)
    assert isinstance(cache.buffer, np.memmap)
    assert same(cache, expected(paths))
    assert len(list(home.iterdir())) == 1


def test_the_file_is_mapped_for_reading_and_torch_says_nothing_of_it(home, paths):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache = build_cache(paths, RECORD, limit_bytes=0)
        cache[0]
    assert not cache.buffer.flags.writeable  # a system may refuse copies of more than its memory


def test_masks_of_images_that_have_another_size_now_are_drawn_again(home, tmp_path):
    def drawn(side):
        outline = Shape(1, polygons=((0.0, 0.0, 9.0, 0.0, 9.0, 9.0),))
        sample = MaskedSample(paper, paper, side, side, Coding(bytes(256)), (outline,), rest=0)
        return build_masks([sample], 64, limit_bytes=0)[0].shape

    paper = tmp_path / "annotations.json"
    paper.write_text("{}")
    assert [drawn(side) for side in (20, 30)] == [(1, 20, 20), (1, 30, 30)]


def test_the_file_is_used_again(home, paths, monkeypatch):
    build_cache(paths, RECORD, limit_bytes=0)
    images = expected(paths)
    monkeypatch.setattr(room, "open_rgb", None)
    assert same(build_cache(paths, RECORD, limit_bytes=0), images)


def test_other_images_or_records_are_not_taken_for_these(home, paths):
    build_cache(paths, RECORD, limit_bytes=0)
    for record in (replace(RECORD, resize=60), replace(RECORD, interpolation="bicubic")):
        assert same(build_cache(paths, record, limit_bytes=0), expected(paths, record))
    assert same(build_cache(paths[::-1], RECORD, limit_bytes=0), expected(paths[::-1]))
    Image.new("RGB", (60, 60), "red").save(paths[0])
    assert same(build_cache(paths, RECORD, limit_bytes=0), expected(paths))
    assert len(list(home.iterdir())) == 5


def test_the_crop_and_normalisation_do_not_decide(home, paths):
    build_cache(paths, RECORD, limit_bytes=0)
    build_cache(paths, replace(RECORD, crop=32, mean=(0.5, 0.5, 0.5)), limit_bytes=0)
    assert len(list(home.iterdir())) == 1


@pytest.mark.parametrize("keep", [0, 10, 100_000])
def test_a_broken_file_is_made_again(home, paths, keep):
    build_cache(paths, RECORD, limit_bytes=0)
    (file,) = home.iterdir()
    file.write_bytes(file.read_bytes()[:keep])
    assert same(build_cache(paths, RECORD, limit_bytes=0), expected(paths))


def test_files_long_unused_are_removed(home, paths):
    home.mkdir(parents=True)
    old, draft, recent = (home / name for name in ("a.pixels", ".b.pixels.77.part", "c.pixels"))
    for file in (old, draft, recent):
        file.write_bytes(b"x")
    for file in (old, draft):
        os.utime(file, (0, time.time() - room.KEPT - 60))
    build_cache(paths, RECORD, limit_bytes=0)
    assert not old.exists()
    assert not draft.exists()
    assert recent.exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(home, paths):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*\.pixels: File too large") as caught:
            build_cache(paths, RECORD, limit_bytes=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "\n" not in str(caught.value)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 10**9])
def test_an_image_that_cannot_be_decoded_is_named(home, paths, limit):
    paths[5].write_bytes(paths[5].read_bytes()[:200])
    with pytest.raises(DataError, match=r"5\.png cannot be read"):
        build_cache(paths, RECORD, limit_bytes=limit)
    assert not home.exists() or list(home.iterdir()) == []


def test_what_was_decoded_is_held_for_the_next_training(home, paths, monkeypatch):
    first = build_cache(paths, RECORD)
    assert build_cache(paths, RECORD) is first
    assert build_cache(paths[1:], RECORD) is not first
    Image.new("RGB", (50, 60), "red").save(paths[0])
    changed = build_cache(paths, RECORD)
    assert same(changed, expected(paths))
    monkeypatch.setattr(room, "HELD", changed.buffer.nbytes + 1)
    again = build_cache(paths[2:], RECORD)
    assert build_cache(paths[2:], RECORD) is again
    assert build_cache(paths, RECORD) is not changed, "it went when another came"
