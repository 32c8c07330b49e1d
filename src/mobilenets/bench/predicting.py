"""A network's latency from a table: the sum of its pieces, corrected by what whole networks took.

Where a piece was measured, its measurement stands; what lies between is interpolated (`families`). A piece
alone runs again and again on weights and maps that are in the cache, and each run is started anew. In a whole
network it is not so: maps are those just written, additions may be fused, and weights beyond what the cache
holds come from memory each time. So the sum has a factor for each class of pieces, a constant for each piece
and one for each megabyte beyond the cache, fitted on whole random networks that were measured with the table.
"""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from mobilenets.arch.lower import Layer, lower
from mobilenets.arch.spec import Arch, Padding
from mobilenets.base.errors import UsageError
from mobilenets.bench.families import Estimate, Family, family, work
from mobilenets.bench.pieces import Piece, answer_of, image_of, of_layer
from mobilenets.bench.table import Table

# Classes of pieces that share a factor; what that is believed to be before networks were seen, give or take
CLASSES = ("pointwise", "convolution", "depthwise", "squeeze", "map", "linear", "rest")
FACTORS = (1.05,) * len(CLASSES)
FACTOR_SPREADS = (0.08, 0.12, 0.08, 0.12, 0.2, 0.15, 0.1)
# the same in ms for each piece, and for each MB of weights beyond the cache
BESIDE = (-0.0005, 0.02)
BESIDE_SPREADS = (0.0005, 0.015)
CACHES = (0.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, inf)  # MB, of which that which fits best is taken
NOISE = 0.04  # of a network's latency, what it is off by where other work disturbs, and no model explains
LEAST = 0.015  # the relative error that is stated at least
UNKNOWN = 0.10  # the relative error that is stated where no whole network was measured


@dataclass(frozen=True)
class Prediction:
    """Milliseconds of one inference, how far off they may be (one standard deviation), and the pieces that
    measurements do not tell: of a family that was not measured, or far from what was.
    """

    ms: float
    error_ms: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sums:
    """What is predicted from: milliseconds by class, then pieces and MB of weights (K,); their variance; what
    is missing.
    """

    columns: np.ndarray
    variance: float
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Correction:
    """Factors of the columns (K,), their covariance, the relative errors of networks left out in turn, and
    how many MB of weights the cache holds from one run to the next.
    """

    factors: np.ndarray
    covariance: np.ndarray
    left_out: tuple[float, ...]
    cache: float

    @property
    def error(self) -> float:
        """What is off by chance, relative."""
        if not self.left_out:
            return UNKNOWN
        return max(LEAST, sqrt(sum(one**2 for one in self.left_out) / len(self.left_out)))


class Predictor:
    """Predicts networks from a table. Pieces and blocks are remembered, so that searches can ask often.

    Raises UsageError for a table without pieces.
    """

    def __init__(self, table: Table) -> None:
        if not table.pieces:
            raise UsageError("the table holds no pieces yet; build it with mobilenets latency build")
        self.table = table
        families: dict[tuple[object, ...], dict[Piece, float]] = {}
        for piece, one in table.pieces.items():
            families.setdefault(family(piece), {})[piece] = table.scaled(one)
        self._families = {key: Family(times) for key, times in families.items()}
        self._pieces: dict[Piece, Estimate] = {}
        self._groups: dict[tuple[Piece, ...], Sums] = {}
        self._layers: dict[tuple[Layer, Padding], Sums] = {}
        whole = [(self.sums(arch).columns, table.scaled(one)) for arch, one in table.networks.items()]
        columns, times = np.array([sums for sums, _ in whole]), np.array([ms for _, ms in whole])
        self.correction = corrected(columns, times)

    def predict(self, arch: Arch) -> Prediction:
        """The latency of a network as it is exported (`pieces.pieces`)."""
        sums, correction = self.sums(arch), self.correction
        columns = beyond(sums.columns, correction.cache)
        ms = max(float(columns @ correction.factors), 0.0)
        of_factors = float(columns @ correction.covariance @ columns)
        return Prediction(ms, sqrt(of_factors + sums.variance + (correction.error * ms) ** 2), sums.missing)

    def by_layer(self, arch: Arch) -> list[float]:
        """How a prediction divides over the blocks and the head (ms), the image and the answer with the first
        and the last; what large weights cost beyond the cache belongs to no single one and is left out.
        """
        layers, factors = lower(arch), self.correction.factors[:-1]
        parts = [self._of(of_layer(layer, arch.dialect.padding)).columns for layer in layers]
        parts[0] = parts[0] + self._of(image_of(arch)).columns
        parts[-1] = parts[-1] + self._of(answer_of(arch, layers)).columns
        return [float(columns[:-1] @ factors) for columns in parts]

    def piece(self, piece: Piece) -> Estimate:
        """What a piece takes alone, in ms on the machine at its usual speed."""
        if piece not in self._pieces:
            own = self._families.get(family(piece))
            self._pieces[piece] = own.predict(piece) if own else self._stranger(piece)
        return self._pieces[piece]

    def sums(self, arch: Arch) -> Sums:
        """What is predicted from."""
        layers, padding = lower(arch), arch.dialect.padding
        parts = [self._of(image_of(arch)), self._of(answer_of(arch, layers))]
        for layer in layers:
            known = self._layers.get((layer, padding))
            if known is None:
                known = self._layers[layer, padding] = self._of(of_layer(layer, padding))
            parts.append(known)
        missing = dict.fromkeys([name for part in parts for name in part.missing])
        return Sums(
            np.sum([part.columns for part in parts], axis=0),
            sum([part.variance for part in parts]),
            tuple(missing),
        )

    def _of(self, pieces: tuple[Piece, ...]) -> Sums:
        """The sums of some pieces."""
        if pieces not in self._groups:
            columns, variance, missing = np.zeros(len(CLASSES) + len(BESIDE)), 0.0, []
            for piece in pieces:
                one, does = self.piece(piece), work(piece)
                columns[CLASSES.index(class_of(piece))] += one.ms
                columns[len(CLASSES) :] += (1.0, 4 * does.weights / 1e6)
                variance += (one.error * one.ms) ** 2
                if not one.known:
                    missing.append(str(piece))
            self._groups[pieces] = Sums(columns, variance, tuple(missing))
        return self._groups[pieces]

    def _stranger(self, piece: Piece) -> Estimate:
        """A guess for a piece whose family was not measured: as other families of its kind, else as all."""
        kin = [own for key, own in self._families.items() if key[0] == piece.kind]
        guesses = [own.model(piece) for own in kin or self._families.values()]
        return Estimate(float(np.median(guesses)), 1.0, False)


def class_of(piece: Piece) -> str:
    """Which factor goes with a piece."""
    match piece.kind:
        case "conv":
            return "pointwise" if piece.kernel == 1 else "convolution"
        case "depthwise" | "squeeze" | "linear":
            return piece.kind
        case "activation" | "add" | "scale" | "average" | "blur" | "image":
            return "map"
        case _:
            return "rest"


def corrected(columns: np.ndarray, times: np.ndarray) -> Correction:
    """The correction that brings the columns of networks (N, K) nearest to their latency (N,), relatively.

    Bayesian linear regressions, in which factors are what they are believed to be until networks tell; of
    these the one with the cache that tells left out networks best.
    """
    if not len(times):
        believed, trust = _believed()
        return Correction(believed, np.diag(1 / trust), (), inf)
    found = [_corrected(beyond(columns, cache) / times[:, None], cache) for cache in CACHES]
    return min(found, key=lambda one: sum(error**2 for error in one.left_out))


def beyond(columns: np.ndarray, cache: float) -> np.ndarray:
    """The columns (..., K) with MB of weights beyond what the cache holds in place of all."""
    left = np.maximum(columns[..., -1:] - cache, 0.0)
    return np.concatenate([columns[..., :-1], left], axis=-1)


def _corrected(relative: np.ndarray, cache: float) -> Correction:
    """The correction for columns by latency (N, K)."""
    factors, covariance = _fitted(relative)
    left_out = [
        float(row @ _fitted(np.delete(relative, index, axis=0))[0]) - 1 for index, row in enumerate(relative)
    ]
    return Correction(factors, covariance, tuple(left_out), cache)


def _fitted(relative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors and their covariance."""
    believed, trust = _believed()
    covariance = np.linalg.inv(relative.T @ relative / NOISE**2 + np.diag(trust))
    return covariance @ (relative.sum(axis=0) / NOISE**2 + trust * believed), covariance


def _believed() -> tuple[np.ndarray, np.ndarray]:
    """What factors are believed to be, and how surely (one by the variance)."""
    return np.array(FACTORS + BESIDE), np.array(FACTOR_SPREADS + BESIDE_SPREADS) ** -2.0
