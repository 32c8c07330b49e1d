import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenets.base.errors import DataError, UsageError
from mobilenets.data.dataset import SPLITS
from mobilenets.data.formats import find_listing
from mobilenets.data.split import split_listing


def fill(root, **contents):
    """One folder per keyword (`__` for a slash), holding a file with each of the strings."""
    for folder, texts in contents.items():
        for i, text in enumerate(texts):
            path = root / folder.replace("__", "/") / f"{i:03}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def different(count, start=0):
    return [f"image {i}" for i in range(start, start + count)]


def test_each_class_gives_its_share(tmp_path):
    fill(tmp_path, cat=different(40), dog=different(20, 100), eel=different(2, 200))
    dataset = split_listing(find_listing(tmp_path), val=0.15)
    assert dataset.labels == ("cat", "dog", "eel")
    assert dataset.counts("val") == [6, 3, 1]
    assert dataset.counts("train") == [34, 17, 1]
    assert dataset.made == ("train", "val")
    assert dataset.held_out == "val"
    assert not set(dataset.train) & set(dataset.val)


def test_a_lone_image_stays_in_train(tmp_path):
    dataset = split_listing(find_listing(fill(tmp_path, cat=different(1), dog=different(5, 100))))
    assert dataset.counts("train") == [1, 4]
    assert dataset.counts("val") == [0, 1]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_both_sides_always_have_an_image(tmp_path, share):
    dataset = split_listing(find_listing(fill(tmp_path, cat=different(2), dog=different(9, 100))), val=share)
    assert min(*dataset.counts("train"), *dataset.counts("val")) >= 1
    assert len(dataset.train) + len(dataset.val) == 11


def test_the_seed_decides(tmp_path):
    listing = find_listing(fill(tmp_path, cat=different(40), dog=different(40, 100)))
    assert split_listing(listing, seed=1) == split_listing(listing, seed=1)
    assert split_listing(listing, seed=1).val != split_listing(listing, seed=2).val


def test_listing_order_and_place_do_not_matter(tmp_path):
    listing = find_listing(fill(tmp_path / "a", cat=different(30), dog=different(30, 100)))
    turned = replace(listing, files={"all": tuple(reversed(listing.files["all"]))})
    assert split_listing(listing) == split_listing(turned)
    elsewhere = split_listing(find_listing(fill(tmp_path / "b", cat=different(30), dog=different(30, 100))))
    assert elsewhere.fingerprint() == split_listing(listing).fingerprint()


def test_an_added_image_moves_no_other_but_one(tmp_path):
    before = split_listing(find_listing(fill(tmp_path, cat=different(40), dog=different(40, 100))))
    fill(tmp_path, cat=different(41))
    after = split_listing(find_listing(tmp_path))
    assert len(set(before.val) ^ set(after.val)) <= 2


def test_copies_stay_together(tmp_path):
    texts = [f"picture {i // 3:03}" for i in range(60)]
    dataset = split_listing(find_listing(fill(tmp_path, cat=texts, dog=different(5))), val=0.3)
    sides = {side: {sample.path.read_text() for sample in dataset.split(side)} for side in ("train", "val")}
    assert not sides["train"] & sides["val"]
    assert dataset.counts("val")[0] == 18


def test_a_class_of_copies_stays_in_train(tmp_path):
    dataset = split_listing(find_listing(fill(tmp_path, cat=["same"] * 4, dog=different(5))))
    assert dataset.counts("train")[0] == 4
    assert dataset.counts("val")[0] == 0


def test_copies_in_two_classes_judge_nothing(tmp_path):
    fill(tmp_path, cat=[*different(10), "both", "both"], dog=[*different(10, 50), "both"], pet=["both"])
    dataset = split_listing(find_listing(tmp_path), val=0.9)
    assert [dataset.counts(split) for split in ("train", "val")] == [[3, 2, 1], [9, 9, 0]]
    assert "both" not in {sample.path.read_text() for sample in dataset.val}


def test_of_large_groups_the_smallest_goes(tmp_path):
    fill(tmp_path, cat=["a"] * 6 + ["b"] * 4, dog=different(5))
    dataset = split_listing(find_listing(tmp_path), val=0.1)
    assert dataset.counts("val")[0] == 4


@settings(deadline=None, max_examples=60)  # it is the disk's time that varies
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8), share=st.floats(0.01, 0.99))
def test_no_class_is_lost_and_no_copy_leaks(tmp_path_factory, sizes, share):
    root = tmp_path_factory.mktemp("data")
    copies = [f"picture {i}" for i, size in enumerate(sizes) for _ in range(size)]
    fill(root, cat=copies, dog=different(3, 100))
    dataset = split_listing(find_listing(root), val=share)
    content = [{sample.path.read_text() for sample in dataset.split(side)} for side in ("train", "val")]
    assert not content[0] & content[1]
    assert dataset.counts("train")[0] >= 1
    assert (dataset.counts("val")[0] >= 1) == (len(sizes) > 1)
    assert len(dataset.train) + len(dataset.val) == sum(sizes) + 3


def test_splits_that_exist_are_kept(tmp_path):
    fill(tmp_path, train__cat=different(4), train__dog=different(4))
    fill(tmp_path, val__cat=different(2), val__dog=different(1))
    dataset = split_listing(find_listing(tmp_path), val=0.9)
    assert (dataset.counts("train"), dataset.counts("val"), dataset.made) == ([4, 4], [2, 1], ())


@pytest.mark.parametrize(("test", "held"), [(True, 2), (False, 4)])
def test_less_is_held_back_where_a_test_split_judges(test, held, tmp_path):
    fill(tmp_path, train__cat=different(40), train__dog=different(40, 100))
    if test:
        fill(tmp_path, test__cat=different(1, 200), test__dog=different(1, 210))
    assert split_listing(find_listing(tmp_path)).counts("val") == [held, held]


def test_test_is_kept_and_val_cut_from_train(tmp_path):
    fill(tmp_path, train__cat=different(10), train__dog=different(10, 50), test__cat=different(3, 90))
    dataset = split_listing(find_listing(tmp_path), val=0.2)
    assert [dataset.counts(split) for split in SPLITS] == [[8, 8], [2, 2], [3, 0]]
    assert dataset.made == ("val",)
    assert dataset.held_out == "test"


def test_names_that_are_not_text_have_a_rank(tmp_path):
    fill(tmp_path, cat=different(3), dog=different(3, 50))
    (tmp_path / "cat" / os.fsdecode(b"\xff.jpg")).write_text("odd")
    assert split_listing(find_listing(tmp_path), val=0.5).counts("val") == [2, 2]


@pytest.mark.parametrize("share", [0, 1, -0.1, 15, float("nan")])
def test_shares_that_are_none(tmp_path, share):
    listing = find_listing(fill(tmp_path, cat=different(3), dog=different(3, 50)))
    with pytest.raises(UsageError, match="val must be between 0 and 1, got"):
        split_listing(listing, val=share)


def test_nothing_to_validate_on(tmp_path):
    listing = find_listing(fill(tmp_path, cat=["one"], dog=["two"]))
    with pytest.raises(DataError, match="no class with two different images"):
        split_listing(listing)
