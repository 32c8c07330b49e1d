"""Images of which nothing is known, varied as a task's own are: a teacher judges them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mobilenets.arch.card import Card
from mobilenets.data.cache import build_cache, build_whole
from mobilenets.data.feeds import BoxedImages, LabelledImages
from mobilenets.data.loader import Feed
from mobilenets.tasks.detect.task import FINER


def unlabelled_feed(paths: Sequence[Path], card: Card, labelled: Any) -> Feed:
    """Images as the `labelled` ones of a task's `train_feed` are shown, with empty targets.

    Raises DataError, StorageError.
    """
    if isinstance(labelled, LabelledImages):
        cache = build_cache(paths, card.preprocess)
        return replace(labelled, cache=cache, labels=[-1] * len(paths))
    cache = build_whole(paths, FINER * card.preprocess.crop)
    boxes, classes = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    n, varied = len(paths), (labelled.augment, labelled.erasing, labelled.flip)
    return BoxedImages(cache, [boxes] * n, [classes] * n, *varied)
