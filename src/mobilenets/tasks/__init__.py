"""What each task needs beside the network: its loss, its metric, the reading of its outputs."""

from typing import TYPE_CHECKING

from mobilenets.base.errors import UnknownName

if TYPE_CHECKING:
    from mobilenets.tasks.task import Task

TASKS = ("classify", "detect", "segment", "embed")


def get(name: str) -> "Task":
    """A task by its name. Raises UnknownName."""
    if name == "classify":
        from mobilenets.tasks.classify import Classify

        return Classify()
    if name == "detect":
        from mobilenets.tasks.detect.task import Detect

        return Detect()
    if name == "segment":
        from mobilenets.tasks.segment import Segment

        return Segment()
    if name == "embed":
        from mobilenets.tasks.embed import Embed

        return Embed()
    raise UnknownName("task", name, TASKS)
