"""What each task needs beside the network: its loss, its metric, the reading of its outputs."""

from typing import TYPE_CHECKING

from mobilenets.arch.spec import check_task

if TYPE_CHECKING:
    from mobilenets.tasks.task import Task


def get(name: str) -> "Task":
    """A task by its name. Raises UnknownName."""
    check_task(name)
    if name == "classify":
        from mobilenets.tasks.classify import Classify

        return Classify()
    if name == "detect":
        from mobilenets.tasks.detect.task import Detect

        return Detect()
    if name == "segment":
        from mobilenets.tasks.segment import Segment

        return Segment()
    from mobilenets.tasks.embed import Embed

    return Embed()
