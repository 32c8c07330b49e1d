"""Tables written by hand: pieces take what a simple law says, networks what they add up to."""

from mobilenets.arch import edit
from mobilenets.arch.zoo import find
from mobilenets.bench.families import work
from mobilenets.bench.pieces import Piece, pieces
from mobilenets.bench.sampling import varied
from mobilenets.bench.table import Measured, Span, Table, Terms

TERMS = Terms("litert:cpu:1", 1, "float32", "a processor", (("ai-edge-litert", "2.3.0"),))
SEED = find("mobilenet_v3_small", resolution=64)


def law(piece: Piece) -> float:
    """Milliseconds of a piece: a start, multiply-adds at 50 G/s, weights and maps at 40 GB/s."""
    does = work(piece)
    return 0.001 + does.macs * piece.cout / 50e6 + 4 * (does.weights + does.read + does.written) / 40e6


def whole(arch, factor=1.1):
    """Milliseconds of a network: all pieces take longer, and starting each costs less."""
    return sum(factor * law(piece) - 0.0004 for piece in pieces(arch))


def networks(count, first=0):
    """Random networks around V3-Small at 64 pixels."""
    return [varied(SEED, number) for number in range(first, first + count)]


def table(known=40, correcting=8, speed=1.0, reference_ms=0.5):
    """A table of the pieces of so many random networks, on a machine so many times slower than usual."""
    found = {piece for arch in (SEED, *networks(known)) for piece in pieces(arch)}
    return Table(
        TERMS,
        {
            piece: Measured(speed * law(piece), 0.001, 30, speed * reference_ms, "2026-11-25")
            for piece in found
        },
        {arch: Measured(whole(arch), 0.01, 30, reference_ms) for arch in networks(correcting, 500)},
        edit.at(SEED, 32),
        (Span(SEED, "varied", (3, 5)),),
    )
