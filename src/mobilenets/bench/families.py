"""Pieces that differ in widths and side only: their times, and what lies between them."""

from collections.abc import Mapping
from math import log2

import numpy as np

from mobilenets.bench.pieces import Piece

REACH = 1.0  # octaves of width or side over which a measured piece tells about another
FAR = 1.5  # octaves from the nearest measured piece, beyond which nothing is known
NOISE = 0.03  # relative, of one measurement; what near pieces disagree by is evened out to this degree
SPREAD = 0.25  # relative, of what the physical model leaves
STEPS = 2000
TILES = (8, 16)  # channels that runtimes compute at once


def family(piece: Piece) -> tuple[object, ...]:
    """What the pieces of a family have in common."""
    sizes = () if piece.kind == "squeeze" else piece.sizes
    return (
        piece.kind, piece.kernel, piece.stride, piece.groups, piece.dilation, piece.padding,
        piece.activation, sizes,
    )  # fmt: skip


class Family:
    """The measured pieces of a family and a model through them."""

    def __init__(self, times: Mapping[Piece, float]) -> None:
        self._times = times
        self._known = np.array([_place(piece) for piece in times])
        measured = np.array(list(times.values()))
        terms = np.array([_terms(piece) for piece in times])
        self._weights = _not_negative(terms / measured[:, None])
        self._left = np.log(measured / np.maximum(terms @ self._weights, 1e-9))
        kernel = SPREAD**2 * _near(self._known, self._known)
        self._pull = np.linalg.solve(kernel + NOISE**2 * np.eye(len(kernel)), self._left)

    def predict(self, piece: Piece) -> tuple[float, bool]:
        """Milliseconds, and whether they were measured or lie near enough to what was."""
        if piece in self._times:
            return self._times[piece], True
        place = np.array([_place(piece)])
        bend = SPREAD**2 * _near(place, self._known)[0] @ self._pull
        near = float(np.abs(self._known - place).max(axis=1).min()) <= FAR
        return self.model(piece) * float(np.exp(bend)), near

    def model(self, piece: Piece) -> float:
        """Milliseconds by the physical terms alone."""
        return max(float(np.array(_terms(piece)) @ self._weights), 1e-9)


def _place(piece: Piece) -> tuple[float, ...]:
    """Where a piece lies in its family, in octaves."""
    inner = piece.sizes if piece.kind == "squeeze" else ()
    return tuple(log2(number) for number in (piece.side, piece.cin, piece.cout, *inner))


def _terms(piece: Piece) -> tuple[float, ...]:
    """What may cost time: starting, multiply-adds in whole tiles, entries of weights, input and output."""
    pixels_in = piece.side**2
    pixels = (-(-piece.side // piece.stride)) ** 2
    if piece.kind == "resize":
        pixels = piece.sizes[0] ** 2
    if piece.kind == "softmax":
        pixels_in = pixels = piece.sizes[0]
    read, written = pixels_in * piece.cin, pixels * piece.cout
    tiled = [-(-piece.cout // tile) * tile for tile in TILES]
    match piece.kind:
        case "conv" | "linear":
            each = piece.cin // piece.groups * piece.kernel**2
            work = [pixels * each * out for out in (piece.cout, *tiled)]
            weights = each * piece.cout
        case "depthwise":
            work = [pixels * piece.kernel**2 * out for out in (piece.cout, *tiled)]
            weights = piece.kernel**2 * piece.cout
        case "squeeze":
            weights = 2 * piece.cin * piece.sizes[0]
            work = [weights, tiled[0] * piece.sizes[0], tiled[1] * piece.sizes[0]]
        case "attention":
            heads, key, value, shrink, _ = piece.sizes
            matched = heads * pixels * (pixels // shrink**2) * (key + value)
            weights = piece.cin * (heads * key + key + value) + heads * value * piece.cout
            work = [matched, weights * pixels, matched]
        case _:
            work, weights = [0, 0, 0], 0
    return (1.0, *(macs / 1e7 for macs in work), weights / 1e6, read / 1e6, written / 1e6)


def _near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How much pieces at places (N, D) tell of those at (M, D), from 0 to 1: (N, M)."""
    squares = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    near: np.ndarray = np.exp(-squares / (2 * REACH**2))
    return near


def _not_negative(terms: np.ndarray) -> np.ndarray:
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
