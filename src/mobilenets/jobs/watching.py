"""`mobilenets predict` on a video: frame after frame, nothing kept but counts."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mobilenets.base.console import say, track
from mobilenets.base.files import replacing
from mobilenets.jobs.seeing import Reader, Seen

if TYPE_CHECKING:
    from mobilenets.data.video import Frame

BATCH = 4  # frames in memory at once


@dataclass(frozen=True)
class Places:
    """Where the drawn video, the frames as JSON and the frames as a table go; None for what is not wanted."""

    video: Path | None = None
    json: Path | None = None
    csv: Path | None = None

    @property
    def document(self) -> dict[str, str]:
        """Those that there are, by name."""
        return {key: str(path) for key in ("video", "json", "csv") if (path := getattr(self, key))}


class Sink(Protocol):
    """What takes the frames as they come."""

    def add(self, frame: "Frame", seen: Seen) -> None:
        """Take one."""


def watch(reader: Reader, path: Path, places: Places, model: str) -> dict[str, Any]:
    """Run a model over a video: its part of the document; what was asked for lies at `places`, whole.

    Raises DataError when it is no video, MissingPackage without PyAV, StorageError.
    """
    from mobilenets.data.video import open_video, write_video

    tally = Tally()
    with open_video(path) as clip, ExitStack() as stack:
        sinks: list[Sink] = [tally]
        if places.video:
            sinks.append(Drawing(stack.enter_context(write_video(places.video, clip))))
        if places.json:
            about = {"model": model, "file": str(path), "fps": round(float(clip.rate), 4)}
            sinks.append(stack.enter_context(json_frames(places.json, about)))
        if places.csv:
            sinks.append(stack.enter_context(csv_frames(places.csv, reader.columns)))
        frames = track(clip.frames(), f"watching {path.name}", clip.expected)
        for few in _few(frames):
            for frame, seen in zip(few, reader.see([frame.image for frame in few]), strict=True):
                for sink in sinks:
                    sink.add(frame, seen)
        problem = clip.problem
    if problem:
        say(f"{path}: {problem}; what could be read before was used")
    return {"file": str(path), **tally.document(), **places.document,
            **({"problem": problem} if problem else {})}  # fmt: skip


@dataclass
class Tally:
    """In how many frames each class was, and the highest figure it had."""

    frames: int = 0
    seconds: float = 0.0
    classes: dict[int, list[float]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)

    def add(self, frame: "Frame", seen: Seen) -> None:
        """Count one frame."""
        self.frames, self.seconds = self.frames + 1, frame.seconds
        self.labels |= {row["index"]: row["label"] for row in seen.rows}
        for index, figure in seen.noted.items():
            count, highest = self.classes.get(index, (0, 0.0))
            self.classes[index] = [count + 1, max(highest, figure)]

    def document(self) -> dict[str, Any]:
        """Frames, the time of the last one, and the classes, the most frequent first."""
        ranked = sorted(self.classes.items(), key=lambda item: (-item[1][0], item[0]))
        return {
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "classes": [
                {"index": index, "label": self.labels[index], "frames": int(count), "highest": round(most, 6)}
                for index, (count, most) in ranked
            ],
        }


@dataclass(frozen=True)
class Drawing:
    """The drawn frames as a video."""

    writer: Any

    def add(self, frame: "Frame", seen: Seen) -> None:
        """Draw one."""
        self.writer.write(seen.drawn(frame.image, True), frame.ticks)


@contextmanager
def json_frames(path: Path, about: dict[str, Any]) -> Iterator[Sink]:
    """A JSON document written frame by frame: what it is `about`, then `frames`, one per line."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", errors="backslashreplace") as file:
        head = json.dumps(about, ensure_ascii=False)
        file.write(f'{head[:-1]}, "frames": [')
        yield JsonFrames(file)
        file.write("\n]}\n")


@dataclass
class JsonFrames:
    """The frames of a JSON document under way."""

    file: Any
    comma: str = ""

    def add(self, frame: "Frame", seen: Seen) -> None:
        """Write one."""
        row = {"frame": frame.index, "seconds": round(frame.seconds, 4), **seen.fields}
        self.file.write(f"{self.comma}\n{json.dumps(row, ensure_ascii=False)}")
        self.comma = ","


@contextmanager
def csv_frames(path: Path, columns: Sequence[str]) -> Iterator[Sink]:
    """A table written frame by frame, one row per box or class; a frame without any has no row."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        names = ("frame", "seconds", *columns)
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        yield CsvFrames(writer)


@dataclass(frozen=True)
class CsvFrames:
    """The rows of a table under way."""

    writer: Any

    def add(self, frame: "Frame", seen: Seen) -> None:
        """Write those of one frame."""
        about = {"frame": frame.index, "seconds": round(frame.seconds, 4)}
        self.writer.writerows({**about, **row} for row in seen.rows)


def _few(frames: Iterable["Frame"]) -> Iterator[list["Frame"]]:
    """The frames in batches."""
    rest = iter(frames)
    while few := list(islice(rest, BATCH)):
        yield few
