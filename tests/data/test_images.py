import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilenets.base.errors import DataError
from mobilenets.data.images import SUFFIXES, inspect, inspect_all, open_rgb

RED, GREEN = (254, 0, 0), (0, 128, 0)


def noise(width=40, height=24, seed=0):
    """A picture that no scaling or rotation maps onto itself."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def saved(image, path, **options):
    image.save(path, **options)
    return path


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
def test_plain_jpeg_is_what_pillow_reads(tmp_path, options):
    path = saved(noise(), tmp_path / "a.jpg", **options)
    with Image.open(path) as image:
        expected = image.convert("RGB")
    read = open_rgb(path)
    assert read.mode == "RGB"
    assert read.tobytes() == expected.tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_accepted_suffix_can_be_read(tmp_path, suffix):
    read = open_rgb(saved(noise(), tmp_path / f"a{suffix}"))
    assert (read.mode, read.size) == ("RGB", (40, 24))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_orientation_is_applied(tmp_path, suffix):
    image = Image.new("RGB", (40, 20), GREEN)
    image.paste(RED, (0, 0, 20, 20))
    path = saved(image, tmp_path / f"a{suffix}", exif=orientation(6))
    read = open_rgb(path)
    assert read.size == inspect(path).upright == (20, 40)
    assert "exif-rotated" in inspect(path).traits
    red, green = read.getpixel((10, 5)), read.getpixel((10, 35))
    assert red[0] > 200 > 60 > red[1]
    assert green[1] > 100 > 60 > green[0]


def test_first_frame_of_an_animation(tmp_path):
    red, green = Image.new("RGB", (32, 32), RED), Image.new("RGB", (32, 32), GREEN)
    path = saved(red, tmp_path / "a.gif", save_all=True, append_images=[green])
    assert open_rgb(path).getpixel((0, 0)) == RED


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_shows_white(tmp_path, mode):
    if mode == "P":
        image = Image.new("P", (32, 32), 1)
        image.putpalette([*RED, *GREEN])
        path = saved(image, tmp_path / "a.png", transparency=1)
    else:
        path = saved(Image.new(mode, (32, 32), (0,) * len(mode)), tmp_path / "a.png")
    assert open_rgb(path).getpixel((3, 3)) == (255, 255, 255)


def test_half_transparency_is_blended(tmp_path):
    path = saved(Image.new("RGBA", (32, 32), (255, 0, 0, 51)), tmp_path / "a.png")
    assert open_rgb(path).getpixel((3, 3)) == (255, 204, 204)


def test_cmyk_comes_out_as_its_colour(tmp_path):
    path = saved(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), tmp_path / "a.jpg", quality=95)
    red, green, blue = open_rgb(path).getpixel((3, 3))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    read = open_rgb(saved(Image.fromarray(ramp), tmp_path / f"a{suffix}"))
    assert np.asarray(read)[:, :, 0].ravel().tolist() == list(range(256))


def test_thirty_two_bits_are_scaled_from_their_own_range(tmp_path):
    ramp = np.linspace(-3, 5, 256, dtype=np.float32).reshape(16, 16)
    read = open_rgb(saved(Image.fromarray(ramp), tmp_path / "a.tiff"))
    assert np.asarray(read)[:, :, 0].ravel().tolist() == list(range(256))


def test_pixels_that_are_not_numbers_are_refused(tmp_path):
    path = saved(Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32)), tmp_path / "a.tiff")
    with pytest.raises(DataError, match=r"a\.tiff cannot be read as an image: .*not finite"):
        open_rgb(path)


def test_an_image_of_one_value_in_32_bits_is_black(tmp_path):
    path = saved(Image.fromarray(np.full((8, 8), 7, dtype=np.int32)), tmp_path / "a.tiff")
    assert open_rgb(path).getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_truncation_is_named(tmp_path, suffix):
    path = saved(noise(200, 200), tmp_path / f"cut{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"cut\{suffix} cannot be read as an image: \w+") as caught:
        open_rgb(path)
    assert "\n" not in str(caught.value)
    assert inspect(path).problem in str(caught.value)


def test_truncation_is_seen_at_draft_scale(tmp_path):
    path = saved(noise(1600, 1200), tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:-1000])
    assert "truncated" in inspect(path).problem


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no readable"), (b"<html>404</html>", "no readable BMP, GIF, JPEG, PNG, TIFF or WEBP")],
)
def test_what_is_no_image_is_refused(tmp_path, content, reason):
    path = tmp_path / "page.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        open_rgb(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read as an image: No such file"):
        open_rgb(tmp_path / "gone.jpg")


def test_decompression_bombs_are_refused(tmp_path):
    path = saved(Image.new("1", (20_000, 10_000)), tmp_path / "bomb.png")
    with pytest.raises(DataError, match=r"bomb\.png cannot be read .* more than 178 million pixels"):
        open_rgb(path)


def test_formats_outside_the_list_are_refused(tmp_path):
    path = saved(noise(), tmp_path / "a.jpg", format="PPM")
    with pytest.raises(DataError, match="no readable"):
        open_rgb(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on the damage
@settings(deadline=None)
@given(st.sampled_from(SUFFIXES), st.integers(0, 400), st.integers(0, 399), st.integers(0, 255))
def test_damage_gives_an_image_or_a_data_error(tmp_path_factory, suffix, cut, place, value):
    path = saved(noise(), tmp_path_factory.getbasetemp() / f"damaged{suffix}")
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content[: len(content) - cut])
    problem = inspect(path).problem
    if problem:
        with pytest.raises(DataError) as caught:
            open_rgb(path)
        assert "\n" not in str(caught.value)
    else:
        assert open_rgb(path).mode == "RGB"


def test_facts_of_a_sound_file(tmp_path):
    facts = inspect(saved(noise(), tmp_path / "a.jpg"))
    assert (facts.format, facts.width, facts.height, facts.problem, facts.traits) == ("JPEG", 40, 24, "", ())
    assert facts.size == (tmp_path / "a.jpg").stat().st_size
    assert len(facts.thumb) == 72


@pytest.mark.parametrize(
    ("name", "image", "options", "trait"),
    [
        ("a.jpg", noise(), {"exif": orientation(6)}, "exif-rotated"),
        ("a.jpg", noise().convert("CMYK"), {}, "cmyk"),
        ("a.png", Image.fromarray(np.zeros((32, 32), np.uint16)), {}, "sixteen-bit"),
        ("a.png", noise().convert("RGBA"), {}, "alpha"),
        ("a.gif", noise(), {"save_all": True, "append_images": [noise(seed=1)]}, "animated"),
        ("a.webp", noise(), {"save_all": True, "append_images": [noise(seed=1)]}, "animated"),
        ("a.tiff", noise(), {"save_all": True, "append_images": [noise(seed=1)]}, "animated"),
    ],
)
def test_traits(tmp_path, name, image, options, trait):
    assert inspect(saved(image, tmp_path / name, **options)).traits == (trait,)


def test_upright_exif_and_phone_pairs_are_nothing_remarkable(tmp_path):
    assert inspect(saved(noise(), tmp_path / "a.jpg", exif=orientation(1))).traits == ()
    pair = saved(noise(), tmp_path / "b.jpg", format="MPO", save_all=True, append_images=[noise(seed=1)])
    facts = inspect(pair)
    assert (facts.traits, facts.format) == ((), "JPEG")


def test_thumbnails_follow_what_a_person_sees(tmp_path):
    image = noise(9, 8).resize((360, 320), Image.Resampling.BOX)
    upright = inspect(saved(image, tmp_path / "a.png")).thumb
    turned = image.transpose(Image.Transpose.ROTATE_90)
    assert inspect(saved(turned, tmp_path / "b.png", exif=orientation(6))).thumb == upright


def test_inspect_all_keeps_the_order(tmp_path):
    paths = [saved(noise(seed=i), tmp_path / f"{i}.png") for i in range(70)]
    assert inspect_all(paths) == [inspect(path) for path in paths]
