"""Running a file: a target says on what, a session runs it. One file per outside package."""

from mobilenets.runtimes.benchmark_model import Lap
from mobilenets.runtimes.cards import read_card
from mobilenets.runtimes.open import open_session
from mobilenets.runtimes.remote import OnDevice, connect
from mobilenets.runtimes.session import Session
from mobilenets.runtimes.target import RUNTIMES, Target, parse_target, runtime_of

__all__ = [
    "RUNTIMES",
    "Lap",
    "OnDevice",
    "Session",
    "Target",
    "connect",
    "open_session",
    "parse_target",
    "read_card",
    "runtime_of",
]
