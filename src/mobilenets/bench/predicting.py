"""A network's latency from a table: the sum of its pieces, corrected by what whole networks took.

Where a piece was measured, its measurement stands. Between measured ones, a physical model (starting,
multiply-adds in whole tiles, bytes of weights and maps: no term can be negative) is bent towards what near
pieces took beside it. Runtimes do better or worse on a whole network than on its pieces: maps are still in
the cache, additions are fused, nothing is started anew. So each kind of piece has a factor, and each piece a
constant, fitted on whole random networks that were measured with the table.
"""

from dataclasses import dataclass

import numpy as np

from mobilenets.arch.lower import Layer, lower
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import UsageError
from mobilenets.bench.families import Family, family
from mobilenets.bench.pieces import Piece, answer_of, image_of, of_layer
from mobilenets.bench.table import Table

# Kinds of pieces that share a factor in the correction
CLASSES = ("pointwise", "convolution", "depthwise", "squeeze", "map", "rest")
FACTOR_SPREAD = 0.25  # how far from 1 a factor is believed to be, before networks were seen
START_SPREAD = 0.004  # ms, the same for what a piece costs beside its work
NOISE = 0.015  # of a network's latency, what no model explains
UNKNOWN = 0.10  # the relative error that is stated where no whole network was measured


@dataclass(frozen=True)
class Prediction:
    """Milliseconds of one inference, how far off they may be (one standard deviation), and the pieces that
    were neither measured nor lie between measured ones.
    """

    ms: float
    error_ms: float
    missing: tuple[str, ...] = ()


class Predictor:
    """Predicts networks from a table. Pieces and blocks are remembered, so that searches can ask often."""

    def __init__(self, table: Table) -> None:
        if not table.pieces:
            raise UsageError("the table holds no pieces yet; build it with mobilenets latency build")
        self.table = table
        families: dict[tuple[object, ...], dict[Piece, float]] = {}
        for piece, one in table.pieces.items():
            families.setdefault(family(piece), {})[piece] = table.scaled(one)
        self._families = {key: Family(times) for key, times in families.items()}
        self._pieces: dict[Piece, tuple[float, bool]] = {}
        self._sums: dict[tuple[Piece, ...], tuple[np.ndarray, tuple[str, ...]]] = {}
        self._layers: dict[tuple[Layer, str], tuple[np.ndarray, tuple[str, ...]]] = {}
        self.factors, self.covariance, self.noise = self._correction()

    def predict(self, arch: Arch) -> Prediction:
        """The latency of a network as it is exported (`pieces.pieces`)."""
        sums, missing = self.sums(arch)
        ms = float(sums @ self.factors)
        error = float(np.sqrt(sums @ self.covariance @ sums + (self.noise * ms) ** 2))
        return Prediction(max(ms, 0.0), error, missing)

    def piece(self, piece: Piece) -> tuple[float, bool]:
        """Milliseconds of a piece alone, and whether it was measured or lies near enough to what was."""
        if piece not in self._pieces:
            own = self._families.get(family(piece))
            self._pieces[piece] = own.predict(piece) if own else (self._stranger(piece), False)
        return self._pieces[piece]

    def sums(self, arch: Arch) -> tuple[np.ndarray, tuple[str, ...]]:
        """The milliseconds of all pieces by class, then their number; and which are missing."""
        layers = lower(arch)
        parts = [self._of(image_of(arch)), self._of(answer_of(arch, layers))]
        padding = arch.dialect.padding
        for layer in layers:
            key = (layer, padding)
            known = self._layers.get(key)
            if known is None:
                known = self._layers[key] = self._of(of_layer(layer, padding))
            parts.append(known)
        total: np.ndarray = sum([part[0] for part in parts])  # type: ignore[assignment]
        missing = dict.fromkeys(name for part in parts for name in part[1])
        return total, tuple(missing)

    def _of(self, pieces: tuple[Piece, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
        """The sums of some pieces."""
        if pieces not in self._sums:
            sums, missing = np.zeros(len(CLASSES) + 1), []
            for piece in pieces:
                ms, known = self.piece(piece)
                sums[CLASSES.index(kind_class(piece))] += ms
                sums[-1] += 1
                if not known:
                    missing.append(str(piece))
            self._sums[pieces] = sums, tuple(missing)
        return self._sums[pieces]

    def _stranger(self, piece: Piece) -> float:
        """A guess for a piece whose family was not measured: as its nearest kin of the same kind; else 0."""
        kin = [own for key, own in self._families.items() if key[0] == piece.kind]
        return float(np.median([own.model(piece) for own in kin])) if kin else 0.0

    def _correction(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Factors, their covariance, and the relative error that remains.

        A Bayesian linear regression: factors are 1 and the constant 0, give or take, until networks tell.
        """
        prior = np.array([1.0] * len(CLASSES) + [0.0])
        trust = np.array([FACTOR_SPREAD] * len(CLASSES) + [START_SPREAD]) ** -2
        networks = [(self.sums(arch)[0], self.table.scaled(one)) for arch, one in self.table.networks.items()]
        if not networks:
            return prior, np.diag(1 / trust) * 0, UNKNOWN
        sums = np.array([sums / ms for sums, ms in networks])
        factors, covariance = _fitted(sums, prior, trust)
        left_out = [
            1 - sums[i] @ _fitted(np.delete(sums, i, axis=0), prior, trust)[0] for i in range(len(sums))
        ]
        return factors, covariance, max(NOISE, float(np.sqrt(np.mean(np.square(left_out)))))


def kind_class(piece: Piece) -> str:
    """Which factor goes with a piece."""
    match piece.kind:
        case "conv":
            return "pointwise" if piece.kernel == 1 else "convolution"
        case "depthwise" | "squeeze":
            return piece.kind
        case "activation" | "add" | "scale" | "gain" | "average" | "blur" | "image":
            return "map"
        case _:
            return "rest"


def _fitted(sums: np.ndarray, prior: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors that bring each row of `sums` near 1, and their covariance."""
    precision = sums.T @ sums / NOISE**2 + np.diag(trust)
    covariance = np.linalg.inv(precision)
    return covariance @ (sums.sum(axis=0) / NOISE**2 + trust * prior), covariance
