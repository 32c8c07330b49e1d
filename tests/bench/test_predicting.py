"""Predicting: what was measured stands, the rest lies between, whole networks correct the sum."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tables import SEED, TERMS, law, networks, table, whole

from mobilenets.arch import edit
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError
from mobilenets.bench.families import Family, not_negative
from mobilenets.bench.pieces import Piece, pieces
from mobilenets.bench.predicting import Predictor
from mobilenets.bench.table import Measured, Table


@pytest.fixture(scope="module")
def predictor():
    return Predictor(table())


def test_networks_that_were_not_seen_are_told_within_two_per_cent(predictor):
    for arch in networks(20, 1000):
        found = predictor.predict(arch)
        assert found.ms == pytest.approx(whole(arch), rel=0.02)
        assert 0 < found.error_ms < 0.1 * found.ms


def test_a_measured_piece_is_what_was_measured_even_where_it_is_odd():
    known = table(known=5)
    piece = next(piece for piece in known.pieces if piece.kind == "conv" and piece.kernel == 1)
    odd = replace(known, pieces={**known.pieces, piece: Measured(9.0, reference_ms=0.5)})
    assert Predictor(odd).piece(piece).ms == 9.0


def test_the_sum_is_corrected_by_whole_networks():
    plain, corrected = Predictor(replace(table(), networks={})), Predictor(table())
    arch = networks(1, 2000)[0]
    off = [abs(one.predict(arch).ms / whole(arch) - 1) for one in (plain, corrected)]
    assert off[1] < 0.02 < off[0]
    assert plain.predict(arch).error_ms > corrected.predict(arch).error_ms
    assert plain.correction.left_out == ()


def test_networks_left_out_in_turn_tell_the_error():
    noise = np.random.default_rng(0)
    shaky = table(correcting=16)
    shaken = {arch: replace(one, ms=one.ms * noise.uniform(0.8, 1.2)) for arch, one in shaky.networks.items()}
    found = Predictor(replace(shaky, networks=shaken)).predict(SEED)
    assert found.error_ms > 0.07 * found.ms
    assert found.error_ms > 3 * Predictor(shaky).predict(SEED).error_ms


def test_a_slow_hour_does_not_count():
    slow, usual = Predictor(table(speed=1.0)), table(speed=1.0)
    late = {
        piece: replace(one, ms=2 * one.ms, reference_ms=1.0) for piece, one in list(usual.pieces.items())[::2]
    }
    mixed = Predictor(replace(usual, pieces={**usual.pieces, **late}))
    for arch in networks(5, 3000):
        ratio = mixed.table.reference_ms / slow.table.reference_ms
        assert mixed.predict(arch).ms == pytest.approx(ratio * slow.predict(arch).ms, rel=0.02)


def test_what_no_measurement_tells_is_named(predictor):
    assert predictor.predict(SEED).missing == ()
    attention = predictor.predict(find("mobilenet_v4_hybrid_medium", resolution=64))
    assert any(name.startswith("attention") for name in attention.missing)
    costly = predictor.piece(Piece("attention", 14, 256, 256, sizes=(8, 64, 64, 1, 0)))
    assert costly.ms > predictor.piece(Piece("conv", 14, 256, 256)).ms > 0, "of unknown cost is not of none"
    far = predictor.piece(Piece("conv", 512, 2048, 2048))
    assert not far.known
    kernels = predictor.piece(Piece("depthwise", 8, 96, 96, kernel=7, groups=0))
    assert not kernels.known
    assert kernels.ms > 0


def test_other_sides_are_told_from_those_that_were_measured():
    both = table()
    other = {piece: Measured(law(piece), reference_ms=0.5) for piece in pieces(edit.at(SEED, 128))}
    predictor = Predictor(replace(both, pieces={**both.pieces, **other}))
    between = edit.at(SEED, 96)
    assert predictor.predict(between).ms == pytest.approx(whole(between), rel=0.05)
    assert predictor.predict(between).missing == ()


def test_wider_is_slower(predictor):
    times = [predictor.piece(Piece("conv", 8, 48, cout)).ms for cout in range(16, 300, 8)]
    assert all(a < b * 1.05 for a, b in pairwise(times))
    assert times[-1] > 4 * times[0]


def test_predictions_are_quick_once_blocks_were_seen(predictor):
    several = networks(100, 4000)
    for arch in several:
        predictor.predict(arch)
    start = time.process_time()
    for _ in range(3):
        for arch in several:
            predictor.predict(arch)
    assert 300 / (time.process_time() - start) > 1000


def test_a_table_without_pieces_predicts_nothing():
    with pytest.raises(
        UsageError, match="the table holds no pieces yet; build it with mobilenets latency build"
    ):
        Predictor(Table(TERMS))


def test_a_family_evens_out_noise_but_follows_a_step():
    """16 channels at once: 17 cost as much as 32."""
    channels = [8, 16, 24, 32, 48, 64, 72, 96, 128, 136, 192, 256, 264, 320]
    stepped = {Piece("conv", 14, 64, c): 0.001 + 1e-4 * -(-c // 16) for c in channels}
    family = Family(stepped)
    for c in (40, 80, 104, 144, 200, 288):
        assert family.predict(Piece("conv", 14, 64, c)).ms == pytest.approx(
            0.001 + 1e-4 * -(-c // 16), rel=0.08
        )


def test_weights_are_never_negative_and_fit_as_well_as_scipy():
    scipy = pytest.importorskip("scipy.optimize")
    numbers = np.random.default_rng(1)
    for _ in range(20):
        terms = numbers.uniform(0, 1, (30, 6)) * 10.0 ** numbers.integers(-4, 4, 6)
        _, residual = scipy.nnls(terms, np.ones(30))
        found = not_negative(terms)
        assert (found >= 0).all()
        assert np.linalg.norm(terms @ found - 1) <= residual * 1.001 + 1e-4
