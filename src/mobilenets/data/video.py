"""Video files, frame by frame: read upright and in RGB, written as MP4. PyAV is asked for here only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from mobilenets.base.errors import DataError, needs
from mobilenets.base.files import replacing

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
CODECS = ("libx264", "mpeg4")  # the first that PyAV was built with
WHOLE = 0.9  # of the frames that a file says it has; it may be a little off
QUALITY = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}


@dataclass(frozen=True)
class Frame:
    """One frame: its number from 0, when it is shown (seconds, and the same in ticks of the video), RGB."""

    index: int
    seconds: float
    ticks: int
    image: Image.Image


class Video:
    """An opened video file. `problem` says why reading ended early, once `frames` has been read."""

    def __init__(self, path: Path, container: Any) -> None:
        self.path, self._container = path, container
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = self._stream.average_rate or Fraction(25)
        self.tick = self._stream.time_base or 1 / self.rate  # seconds
        self.problem = ""

    @property
    def expected(self) -> int | None:
        """About how many frames there are, None when the file does not say."""
        if self._stream.frames:
            return int(self._stream.frames)
        length = self._container.duration  # microseconds
        return round(length * self.rate / 10**6) if length else None

    def frames(self) -> Iterator[Frame]:
        """The frames in order, one in memory at a time, turned as the file says.

        A file that breaks off ends the frames, and `problem` says why. Raises DataError when there are none.
        """
        av = package()
        index, last, expected = -1, -1, self.expected
        try:
            for index, frame in enumerate(self._container.decode(self._stream)):
                last = max(
                    last + 1, round(index / (self.rate * self.tick)) if frame.pts is None else frame.pts
                )
                yield Frame(index, float(last * self.tick), last, _upright(frame))
        except (av.FFmpegError, ValueError) as error:
            self.problem = _reason(error)
        if index < 0:
            why = f": {self.problem}" if self.problem else ""
            raise DataError(f"{self.path} has no frame that can be read{why}; copy or make it again")
        if not self.problem and expected and index + 1 < WHOLE * expected:
            self.problem = f"it ends after {index + 1} of about {expected} frames"


class Writer:
    """An MP4 under way; the first frame decides its size. Ticks of all frames must rise."""

    def __init__(self, container: Any, rate: Fraction, tick: Fraction) -> None:
        self._container, self._rate, self._tick = container, rate, tick
        self._stream: Any = None

    def write(self, image: Image.Image, ticks: int) -> None:
        """Add an RGB picture that is shown from `ticks` on."""
        if self._stream is None:
            self._stream = self._begun(image.size)
        size = (self._stream.width, self._stream.height)
        if image.size != size:
            padded = Image.new("RGB", size)
            padded.paste(image, (0, 0))
            image = padded
        frame = package().VideoFrame.from_image(image)
        frame.pts, frame.time_base = ticks, self._tick
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _begun(self, size: tuple[int, int]) -> Any:
        """A stream of even sides, which every player can show."""
        codec = next(name for name in CODECS if name in package().codecs_available)
        stream = self._container.add_stream(codec, rate=self._rate, options=QUALITY[codec])
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = self._tick
        return stream


def is_video(path: Path) -> bool:
    """Whether a file is named like a video."""
    return path.suffix.lower() in SUFFIXES


def package() -> Any:
    """PyAV. Raises MissingPackage when it is not installed."""
    with needs("av", "video"):
        import av
    return av


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """A video file, closed afterwards.

    Raises DataError when it is broken or has no pictures in it, MissingPackage without PyAV.
    """
    av = package()
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a video: {_reason(error)}; give a whole {', '.join(SUFFIXES)} file"
        ) from error
    with container:
        if not container.streams.video:
            raise DataError(f"{path} has no pictures in it, only {_kinds(container)}; give a video file")
        yield Video(path, container)


@contextmanager
def write_video(path: Path, like: Video) -> Iterator[Writer]:
    """An MP4 with the times of another video, whole at `path` or not there at all. Raises StorageError."""
    with replacing(path) as draft, package().open(str(draft), "w", format="mp4") as container:
        writer = Writer(container, like.rate, like.tick)
        yield writer
        writer.close()


def _upright(frame: Any) -> Image.Image:
    """A frame as RGB, turned by its display matrix, which counts against the clock as Pillow does."""
    image: Image.Image = frame.to_image()
    turn = round(frame.rotation) % 360
    return image.rotate(turn, expand=True) if turn else image


def _reason(error: Exception) -> str:
    """FFmpeg's reason, without its number and the file's name."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def _kinds(container: Any) -> str:
    """What a file without pictures has."""
    return " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"
