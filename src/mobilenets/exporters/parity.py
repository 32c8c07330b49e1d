"""Whether an exported file answers as the network it came from does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mobilenets.arch.card import Card
from mobilenets.base.errors import ParityError
from mobilenets.nn import Deployed, Network
from mobilenets.runtimes import Session

# of the most probable class's probability. Sums in another order move a logit by about 1e-5; an untrained
# network gives every class 1 / classes, so that an absolute bound would let anything pass. Of offsets, of the
# largest of the image, at least of 1: of an anchor's side they are a tenth of that.
TOLERANCE = 1e-3
BATCH = 4


@dataclass(frozen=True)
class Parity:
    """On `n` images: the largest difference of a probability (of an entry of an embedding), and `agreement`.

    That is the share with the same top class, of images, of a segmenter's pixels or of a detector's anchors;
    of embeddings it is the lowest cosine between the file's and the network's.
    """

    n: int
    max_abs: float
    agreement: float


def compare(network: Network, card: Card, session: Session, samples: np.ndarray, path: Path) -> Parity:
    """Run raw pixels uint8 (N, H, W, 3) through both. `path` is named in messages.

    Raises ParityError when a probability differs by more than TOLERANCE of the largest beside it, or an
    offset by more than TOLERANCE. Within it, another top class can only be a tie.
    """
    apart, agreement, passed = 0.0, [], True
    for batch in batches(samples):
        wanted, given = reference(network, card, batch), session.outputs(batch)
        if card.form == "argmax":
            given, wanted = _claimed(given[0], wanted[0])
        if [output.shape for output in wanted] != [output.shape for output in given]:
            shapes = [tuple(output.shape for output in outputs) for outputs in (given, wanted)]
            raise ParityError(f"{path} gives outputs of shape {shapes[0]}, the network {shapes[1]}")
        differences = [np.abs(a - b) for a, b in zip(given, wanted, strict=True)]
        # compared this way round, so that NaN fails too
        passed &= all(
            bool((difference <= TOLERANCE * _scale(output, card, index)).all())
            for index, (difference, output) in enumerate(zip(differences, wanted, strict=True))
        )
        apart = float(np.maximum(apart, differences[-1].max()))  # NaN stays
        agreement.append(_agreement(given[-1], wanted[-1], card))
    lowest = min if card.task == "embed" else np.mean
    parity = Parity(len(samples), apart, float(lowest(np.concatenate(agreement))))
    if not passed:
        raise ParityError(
            f"{path.name} does not answer as its network does: on {parity.n} images "
            f"{_difference(parity, card)}; "
            "it was not written: please report this with the versions of the converter"
        )
    return parity


def reference(network: Network, card: Card, samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """The outputs (N, ...) of torch itself, in the task's first form."""
    model = Deployed(network, card.preprocess).eval()
    with torch.inference_mode():
        outputs = model(torch.from_numpy(samples).float())
    return tuple(output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,)))


def batches(samples: np.ndarray) -> Iterator[np.ndarray]:
    """A few images at a time: a segmenter gives many numbers for each."""
    for start in range(0, len(samples), BATCH):
        yield samples[start : start + BATCH]


def _scale(wanted: np.ndarray, card: Card, index: int) -> np.ndarray:
    """What TOLERANCE is of, for one output."""
    if card.task == "detect" and index == 0:
        wanted = np.append(wanted, np.ones_like(wanted[:, :1]), axis=1)
    scale: np.ndarray = np.abs(wanted).max(axis=(1, 2) if card.task == "detect" else -1, keepdims=True)
    return scale


def _claimed(classes: np.ndarray, wanted: np.ndarray) -> tuple[tuple[np.ndarray], tuple[np.ndarray]]:
    """The network's probabilities (N, H, W, 1) of the classes that a file says, and of those it would say.

    A class within the tolerance of the best then passes, and any other does not.
    """
    best = wanted.max(axis=3, keepdims=True)
    if classes.shape != wanted.shape[:3] or not ((classes >= 0) & (classes < wanted.shape[3])).all():
        return (classes,), (best,)
    return (np.take_along_axis(wanted, classes[..., None].astype(np.int64), axis=3),), (best,)


def _agreement(given: np.ndarray, wanted: np.ndarray, card: Card) -> np.ndarray:
    """Per answer: whether the top class is the same; of embeddings, the cosine."""
    if card.task == "embed":
        cosines: np.ndarray = (given * wanted).sum(axis=1)
        return cosines
    argmax = card.form == "argmax"  # then both hold the probability of one class
    same: np.ndarray = given == wanted if argmax else given.argmax(axis=-1) == wanted.argmax(axis=-1)
    return same.reshape(-1)


def _difference(parity: Parity, card: Card) -> str:
    """The figures, in words."""
    if card.task == "embed":
        return f"entries differ by up to {parity.max_abs:.2g}, the lowest cosine is {parity.agreement:.4f}"
    return (
        f"probabilities differ by up to {parity.max_abs:.2g}, {parity.agreement:.1%} have the same top class"
    )
