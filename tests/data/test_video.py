"""Video files: every frame at its time, upright, and one line for what is no video."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from mobilenets.base.errors import DataError, MissingPackage, StorageError
from mobilenets.data import video
from mobilenets.data.video import is_video, open_video, write_video

av = pytest.importorskip("av")
TURNED = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1)}  # clockwise, as a, b, c, d of the display matrix


def made(path, n=12, size=(96, 64), rate=25, ticks=None):
    """A clip whose frames grow brighter; left half red, right half blue."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(n):
            pixels = np.zeros((size[1], size[0], 3), np.uint8)
            pixels[:, : size[0] // 2, 0] = pixels[:, size[0] // 2 :, 2] = 100 + 10 * (i % 12)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = ticks[i] if ticks else i * 1000 // rate, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path, degrees):
    """The same file with a display matrix in its track header, as a phone writes it."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in TURNED[degrees])
    for i, value in enumerate((a, b, 0, c, d, 0)):
        content[place + 4 * i : place + 4 * i + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    return path


def test_frames_come_in_order_with_their_times(tmp_path):
    with open_video(made(tmp_path / "a.mp4")) as clip:
        assert clip.expected == 12
        frames = list(clip.frames())
        assert clip.problem == ""
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([i / 25 for i in range(12)])
    reds = [np.asarray(frame.image)[:, :40, 0].mean() for frame in frames]
    assert reds == pytest.approx([100 + 10 * i for i in range(12)], abs=6)


@pytest.mark.parametrize(("degrees", "size", "red"), [(90, (64, 96), "top"), (180, (96, 64), "right")])
def test_a_turned_phone_gives_upright_frames(tmp_path, degrees, size, red):
    with open_video(turned(made(tmp_path / "a.mp4"), degrees)) as clip:
        image = next(clip.frames()).image
    assert image.size == size
    assert image.getpixel({"top": (32, 10), "right": (86, 32)}[red])[0] > 80
    assert image.getpixel({"top": (32, 86), "right": (10, 32)}[red])[2] > 80


@pytest.mark.parametrize("size", [(96, 64), (97, 63)])
def test_a_copy_has_the_same_frames_at_uneven_times(tmp_path, size):
    ticks = [0, 40, 80, 200, 210, 400, 410, 420, 430, 900, 1000, 2000]
    with (
        open_video(made(tmp_path / "a.mp4", ticks=ticks)) as clip,
        write_video(tmp_path / "b.mp4", clip) as writer,
    ):
        for frame in clip.frames():
            writer.write(frame.image.resize(size), frame.ticks)
    with open_video(tmp_path / "b.mp4") as clip:
        frames = list(clip.frames())
    assert [frame.seconds for frame in frames] == pytest.approx([tick / 1000 for tick in ticks], abs=2e-3)
    assert frames[0].image.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert [path.name for path in tmp_path.glob("*")].count("b.mp4") == 1
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_breaks_off_gives_what_it_has_and_says_so(tmp_path):
    whole = made(tmp_path / "a.mkv", n=200).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    with open_video(tmp_path / "cut.mkv") as clip:
        assert 0 < len(list(clip.frames())) < 200
        assert "of about 200 frames" in clip.problem


def test_what_is_no_video_is_one_line(tmp_path):
    whole = made(tmp_path / "a.mp4", n=60).read_bytes()
    for content, words in [
        (b"", "cannot be read as a video"), (b"no video" * 99, "Invalid data"),
        (whole[: len(whole) // 2], "cannot be read as a video"),  # the index of an MP4 lies at its end
    ]:  # fmt: skip
        (tmp_path / "broken.mp4").write_bytes(content)
        with pytest.raises(DataError, match=words) as caught, open_video(tmp_path / "broken.mp4") as clip:
            list(clip.frames())
        assert "broken.mp4" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match="no pictures in it, only audio"), open_video(tmp_path / "a.mp4"):
        pass


def test_a_failure_leaves_no_half_video(tmp_path):
    with (
        open_video(made(tmp_path / "a.mp4")) as clip,
        pytest.raises(RuntimeError),
        write_video(tmp_path / "b.mp4", clip) as writer,
    ):
        raise RuntimeError(writer.write(Image.new("RGB", (96, 64)), 0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    (tmp_path / "folder").write_text("a file")
    with (
        open_video(tmp_path / "a.mp4") as clip,
        pytest.raises(StorageError, match="cannot write"),
        write_video(tmp_path / "folder" / "b.mp4", clip),
    ):
        pass


def test_without_pyav_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with (
        pytest.raises(MissingPackage, match=r"pip install 'mobilenets\[video\]'"),
        open_video(tmp_path / "a.mp4"),
    ):
        pass


def test_names_of_videos():
    assert [is_video(video.Path(name)) for name in ("a.MP4", "b.mov", "c.jpg", "d")] == [
        True,
        True,
        False,
        False,
    ]
