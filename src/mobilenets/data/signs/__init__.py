"""The embedded data set: drawn traffic signs, made at first use."""

from mobilenets.data.signs.faces import LABELS
from mobilenets.data.signs.generate import COUNTS, signs

__all__ = ["COUNTS", "LABELS", "signs"]
