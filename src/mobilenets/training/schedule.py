"""What changes while training goes on, as functions of the position alone: a resumed run needs no memory."""

import hashlib
import math

from mobilenets.training.settings import Settings


def learning_rate(settings: Settings, step: int, steps_per_epoch: int) -> float:
    """The rate of the step with this number, counted from 0 over all epochs.

    It rises in a straight line over `warmup_epochs` to `settings.lr`, then falls along half a cosine towards
    0, which it would reach one step after the last (Loshchilov and Hutter 2017); "constant" stays.
    """
    total = settings.epochs * steps_per_epoch
    warm = min(round(settings.warmup_epochs * steps_per_epoch), total)
    if step < warm:
        return settings.lr * (step + 1) / warm
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2


def side(settings: Settings, epoch: int, full: int) -> int:
    """The side in pixels of the training images of an epoch, counted from 0; `full` is the network's own."""
    for share, pixels in settings.resolution_schedule:
        if epoch < round(share * settings.epochs):
            return min(pixels, full)
    return full


def seed_at(*position: int) -> int:
    """A seed of 63 bits that belongs to a position (seed, epoch, step, ...) and to no other."""
    digest = hashlib.blake2b(repr(position).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
