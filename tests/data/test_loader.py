import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobilenets.arch.preprocess import Preprocess
from mobilenets.data.cache import LIMIT, ImageCache, build_cache
from mobilenets.data.feeds import LabelledImages
from mobilenets.data.loader import endless_batches, eval_batches, shuffled, steps_per_epoch, train_batches
from mobilenets.data.preprocess import read_pixels

RECORD = Preprocess(32, 40, "bicubic")
N = 22


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for i in range(N):
        values = np.random.default_rng(i).integers(0, 256, (50 + i, 60, 3), dtype=np.uint8)
        Image.fromarray(values).save(root / f"{i:02}.png")
    return sorted(root.iterdir())


@pytest.fixture(scope="module")
def cache(paths):
    return build_cache(paths, RECORD)


def feed_of(cache):
    """Much varied images; labels are their numbers."""
    return LabelledImages(cache, range(N), full=32, augment="strong", erasing=0.3)


def batches(cache, feed=None, **options):
    """An epoch as a list."""
    settings = {"side": 32, "batch_size": 4, "seed": 5, "epoch": 0} | options
    return list(train_batches(feed or feed_of(cache), **settings))


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(first, second, strict=True)
    )


def test_an_epoch_shows_every_image_once(cache):
    found = batches(cache, drop_last=False)
    assert [len(labels) for _, labels in found] == [4, 4, 4, 4, 4, 2]
    assert sorted(torch.cat([labels for _, labels in found]).tolist()) == list(range(N))
    pixels, labels = found[0]
    assert (pixels.shape, pixels.dtype, labels.dtype) == ((4, 3, 32, 32), torch.uint8, torch.int64)
    assert pixels.is_contiguous()


def test_the_rest_is_dropped_on_wish(cache):
    assert [len(labels) for _, labels in batches(cache, drop_last=True)] == [4] * 5
    assert steps_per_epoch(N, 4, drop_last=True) == 5
    assert steps_per_epoch(N, 4, drop_last=False) == 6
    assert steps_per_epoch(3, 4, drop_last=True) == 0
    assert steps_per_epoch(8, 4, drop_last=False) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(cache, workers):
    assert equal(batches(cache), batches(cache, workers=workers))


@pytest.fixture
def spawning():
    """Worker processes that begin from nothing, as on macOS and Windows."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [LIMIT, 0])
def test_spawned_workers_change_nothing(paths, tmp_path, monkeypatch, spawning, limit):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    cache = build_cache(paths, RECORD, limit)
    assert isinstance(cache.buffer, np.memmap) == (limit == 0)
    assert equal(batches(cache), batches(cache, workers=2))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_resumes_at_any_step(cache, workers):
    whole = batches(cache)
    for start in (1, 3, 5):
        assert equal(whole[start:], batches(cache, start_step=start, workers=workers))


def test_what_was_skipped_is_not_touched(cache):
    class Counting(LabelledImages):
        def example(self, index, side):
            drawn.append(index)
            return super().example(index, side)

    drawn = []
    batches(cache, Counting(cache, range(N), full=32), start_step=4)
    assert len(drawn) == 4


def test_seed_and_epoch_decide(cache):
    first = batches(cache)
    assert equal(first, batches(cache))
    assert not equal(first, batches(cache, epoch=1))
    assert not equal(first, batches(cache, seed=6))


def test_variations_belong_to_the_image_not_the_batch(cache):
    def by_image(batch_size):
        found = batches(cache, batch_size=batch_size, drop_last=False)
        return {int(k): pixels for images, labels in found for pixels, k in zip(images, labels, strict=True)}

    four, seven = by_image(4), by_image(7)
    assert all(torch.equal(four[k], seven[k]) for k in range(N))


@pytest.mark.parametrize("workers", [0, 1])
def test_torchs_generator_is_left_alone(cache, workers):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    iterator = train_batches(feed_of(cache), side=32, batch_size=4, seed=5, epoch=0, workers=workers)
    first = next(iterator)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(100)
    rest = list(iterator)
    assert equal([first, *rest], batches(cache))


def test_orders_differ_between_neighbours():
    orders = {tuple(shuffled(50, seed, epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    assert sorted(shuffled(50, 0, 0)) == list(range(50))


def test_evaluation_is_the_record_to_the_bit(cache, paths):
    found = list(eval_batches(cache, RECORD, batch_size=8))
    assert [indices for indices, _ in found] == [range(8), range(8, 16), range(16, N)]
    pixels = torch.cat([pixels for _, pixels in found])
    assert pixels.is_contiguous()
    assert torch.equal(pixels, torch.stack([read_pixels(RECORD, Path(path)) for path in paths]))


def test_small_sides_without_augmentation_are_scaled_not_cut():
    image = np.zeros((32, 40, 3), np.uint8)
    image[:, 4:20] = 255  # the left half of the centre square
    held = ImageCache(image.reshape(-1), np.array([[32, 40]]), np.array([0]))
    small, label = LabelledImages(held, [7], full=32).example(0, 16)
    assert (small.shape, label) == ((3, 16, 16), 7)
    assert small[:, :, :7].min() > 200
    assert small[:, :, 9:].max() < 55


def endless(cache, start, stop, **options):
    """Batches of passes without end, as a list."""
    settings = {"side": 32, "batch_size": 9, "seed": 5} | options
    return list(endless_batches(feed_of(cache), start=start, stop=stop, **settings))


def test_passes_follow_each_other_without_end(cache):
    found = endless(cache, 0, 3 * N)  # 27 passes
    labels = torch.cat([labels for _, labels in found])
    assert len(labels) == 27 * N
    passes = labels.view(27, N).tolist()
    assert all(sorted(one) == list(range(N)) for one in passes)
    assert len({tuple(one) for one in passes}) == 27
    pixels = torch.cat([pixels for pixels, _ in found])
    same = [i for i, label in enumerate(labels.tolist()) if label == 3]
    assert len({pixels[i].numpy().tobytes() for i in same}) > 20  # another variation in every pass
    first = torch.cat([pixels for pixels, _ in batches(cache, drop_last=False)])
    assert torch.equal(pixels[:N], first)  # a pass is an epoch


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 9, 50])
def test_passes_are_taken_up_at_any_batch(cache, workers, batch_size):
    whole = endless(cache, 0, 9, batch_size=batch_size)
    assert [len(labels) for _, labels in whole] == [batch_size] * 9
    for start, stop in ((0, 4), (3, 9), (8, 9)):
        assert equal(whole[start:stop], endless(cache, start, stop, batch_size=batch_size, workers=workers))
