"""Training: settings, the loop, and a state that can be taken up again after anything."""

from mobilenets.training.loop import Trained, train
from mobilenets.training.settings import Settings
from mobilenets.training.teacher import Teacher

__all__ = ["Settings", "Teacher", "Trained", "train"]
