import numpy as np
import pytest
import torch

from mobilenets.base.errors import UnknownName
from mobilenets.data.augment import AUGMENTATIONS, GREY, augmentation, may_flip
from mobilenets.data.signs import LABELS


def picture(height=70, width=90):
    """Pixels as the cache gives them: channels last in memory."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return torch.from_numpy(values).permute(2, 0, 1)


def drawn(transform, image, times=40):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [transform(image) for _ in range(times)]


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [32, 64])
def test_shape_and_type(name, size):
    image = picture()
    before = image.clone()
    for pixels in drawn(augmentation(name, size, erasing=0.5), image):
        assert pixels.shape == (3, size, size)
        assert pixels.dtype == torch.uint8
    assert torch.equal(image, before)


def test_none_is_the_centre():
    image = picture(70, 90)
    assert torch.equal(augmentation("none", 64)(image), image[:, 3:67, 13:77])


@pytest.mark.parametrize("name", AUGMENTATIONS[1:])
def test_the_generator_decides(name):
    transform = augmentation(name, 64, erasing=0.3)
    first, second = drawn(transform, picture()), drawn(transform, picture())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({pixels.numpy().tobytes() for pixels in first}) > 30


def halves(transform):
    """On which side the bright half of an image comes out, over many draws."""
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    image[:, :, 32:] = 255
    return {bool(p[:, :, -1].float().mean() > p[:, :, 0].float().mean()) for p in drawn(transform, image, 60)}


@pytest.mark.parametrize("name", ["light", "standard"])
def test_mirroring_can_be_switched_off(name):
    assert halves(augmentation(name, 64)) == {True, False}
    assert halves(augmentation(name, 64, flip=False)) == {True}


def test_light_leaves_colours_alone():
    image = torch.full((3, 64, 64), 90, dtype=torch.uint8)
    assert all(bool((pixels == 90).all()) for pixels in drawn(augmentation("light", 48), image))
    changed = [bool((pixels != 90).any()) for pixels in drawn(augmentation("standard", 48), image)]
    assert 10 < sum(changed) < 30


def test_slight_keeps_most_of_the_image():
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    image = torch.stack([rows, columns, rows]).to(torch.uint8)

    def shares(name):
        """Of the image's area in each crop."""
        found = drawn(augmentation(name, 128, flip=False), image)
        spans = [[int(plane.max()) - int(plane.min()) + 1 for plane in pixels[:2]] for pixels in found]
        return [height * width / 128**2 for height, width in spans]

    assert 0.65 < min(shares("slight")) < 0.8
    assert min(shares("light")) < 0.6


def test_erasing_paints_grey():
    image = torch.full((3, 64, 64), 250, dtype=torch.uint8)
    erased = [bool((pixels[0] == GREY[0]).any()) for pixels in drawn(augmentation("light", 64, 0.5), image)]
    assert 10 < sum(erased) < 30


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownName, match="no augmentation 'standart'; did you mean standard"):
        augmentation("standart", 64)


@pytest.mark.parametrize(
    ("labels", "verdict"),
    [
        (LABELS, False),
        (("Left", "right", "none"), False),
        (("turn left", "turn right"), False),
        (tuple("0123456789"), False),
        (("cat", "dog"), True),
        (("left-over", "fresh"), True),
        (("0001", "0002"), True),
    ],
)
def test_names_tell_whether_mirroring_is_safe(labels, verdict):
    assert may_flip(labels) is verdict
