"""From a network to a file for a runtime, run there and compared before it counts. One file per format."""

from mobilenets.exporters.exporting import EXPORTERS, Exported, export, write_card
from mobilenets.exporters.outputs import form_of
from mobilenets.exporters.parity import Parity
from mobilenets.exporters.revision import revision

__all__ = ["EXPORTERS", "Exported", "Parity", "export", "form_of", "revision", "write_card"]
