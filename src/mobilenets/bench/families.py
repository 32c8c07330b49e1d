"""Pieces that differ in widths and side only: their times, and what lies between them."""

from collections.abc import Mapping
from math import log2
from typing import NamedTuple

import numpy as np

from mobilenets.bench.pieces import Piece

REACH = 1.0  # octaves of width or side over which a measured piece tells about another
NOISE = 0.03  # relative, of one measurement; what near pieces disagree by is evened out to this degree
SPREAD = 0.25  # relative, of what the physical model leaves
UNTOLD = 0.8  # share of SPREAD that still is in doubt where the measured pieces tell too little
STEPS = 2000
TILES = (8, 16)  # channels that runtimes compute at once


class Estimate(NamedTuple):
    """Milliseconds of a piece, the relative error (one standard deviation), whether measurements tell it."""

    ms: float
    error: float
    known: bool


class Work(NamedTuple):
    """What a piece has to do: multiply-adds by output channel, entries of weights, of input and output."""

    macs: float  # for each channel of the output
    weights: int
    read: int
    written: int


def family(piece: Piece) -> tuple[object, ...]:
    """What the pieces of a family have in common."""
    sizes = () if piece.kind == "squeeze" else piece.sizes
    return (
        piece.kind, piece.kernel, piece.stride, piece.groups, piece.dilation, piece.padding,
        piece.activation, sizes,
    )  # fmt: skip


class Family:
    """The measured pieces of a family and a model through them.

    The model is a weighted sum of what a piece has to do, bent by a Gaussian process in the logarithms of
    widths and side.
    """

    def __init__(self, times: Mapping[Piece, float]) -> None:
        self._times = times
        self._known = np.array([_place(piece) for piece in times])
        measured = np.array(list(times.values()))
        terms = np.array([_terms(piece) for piece in times])
        self._weights = not_negative(terms / measured[:, None])
        left = np.log(measured / np.maximum(terms @ self._weights, 1e-9))
        kernel = SPREAD**2 * _near(self._known, self._known)
        self._inverse = np.linalg.inv(kernel + NOISE**2 * np.eye(len(kernel)))
        self._pull = self._inverse @ left

    def predict(self, piece: Piece) -> Estimate:
        """The time of a piece: measured, or between and beside what was."""
        if piece in self._times:
            return Estimate(self._times[piece], NOISE, True)
        near = SPREAD**2 * _near(np.array([_place(piece)]), self._known)[0]
        bent = self.model(piece) * float(np.exp(near @ self._pull))
        doubt = float(np.sqrt(max(SPREAD**2 - near @ self._inverse @ near, 0.0)))
        return Estimate(bent, doubt, doubt < UNTOLD * SPREAD)

    def model(self, piece: Piece) -> float:
        """Milliseconds by what a piece has to do alone."""
        return max(float(np.array(_terms(piece)) @ self._weights), 1e-9)


def work(piece: Piece) -> Work:
    """What a piece has to do; the multiply-adds of squeeze-and-excitation are those of its second layer."""
    pixels_in, pixels = piece.side**2, (-(-piece.side // piece.stride)) ** 2
    macs, weights = 0.0, 0
    match piece.kind:
        case "conv" | "linear":
            each = piece.cin // piece.groups * piece.kernel**2
            macs, weights = pixels * each, each * piece.cout
        case "depthwise":
            macs, weights = pixels * piece.kernel**2, piece.kernel**2 * piece.cout
        case "squeeze":
            macs, weights = piece.sizes[0], 2 * piece.cin * piece.sizes[0]
        case "attention":
            heads, key, value, shrink, _ = piece.sizes
            shrinking = 2 * piece.cin * piece.kernel**2 if shrink > 1 else 0
            weights = piece.cin * (heads * key + key + value) + heads * value * piece.cout + shrinking
            matched = heads * pixels * (pixels // shrink**2) * (key + value)
            macs = (matched + weights * pixels) / piece.cout
        case "resize":
            pixels = piece.sizes[0] ** 2
        case "softmax":
            pixels_in = pixels = piece.sizes[0]
        case "pool":
            pixels = 1
        case _:
            pass
    return Work(macs, weights, pixels_in * piece.cin, pixels * piece.cout)


def not_negative(terms: np.ndarray) -> np.ndarray:
    """Weights of the columns, none negative, that bring every row (N, K) nearest to 1 (least squares).

    Coordinate descent; columns that are equal or nearly so share by a trifle of ridge.
    """
    scale = np.maximum(np.sqrt((terms**2).sum(axis=0)), 1e-12)
    scaled = terms / scale
    gram, pull = scaled.T @ scaled + 1e-6 * np.eye(terms.shape[1]), scaled.sum(axis=0)
    weights = np.zeros(terms.shape[1])
    for _ in range(STEPS):
        before = weights.copy()
        for k in range(len(weights)):
            weights[k] = max(0.0, weights[k] + (pull[k] - gram[k] @ weights) / gram[k, k])
        if np.abs(weights - before).max() < 1e-9:
            break
    result: np.ndarray = weights / scale
    return result


def _place(piece: Piece) -> tuple[float, ...]:
    """Where a piece lies in its family, in octaves."""
    inner = piece.sizes if piece.kind == "squeeze" else ()
    return tuple(log2(number) for number in (piece.side, piece.cin, piece.cout, *inner))


def _terms(piece: Piece) -> tuple[float, ...]:
    """What may cost time: starting, multiply-adds in whole tiles, entries of weights, input and output."""
    does = work(piece)
    tiled = [-(-piece.cout // tile) * tile for tile in TILES]
    macs = [does.macs * channels / 1e7 for channels in (piece.cout, *tiled)]
    return (1.0, *macs, does.weights / 1e6, does.read / 1e6, does.written / 1e6)


def _near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How much pieces at places (N, D) tell of those at (M, D), from 0 to 1: (N, M)."""
    squares = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    near: np.ndarray = np.exp(-squares / (2 * REACH**2))
    return near
