import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of our own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOBILENETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def blobs(tmp_path_factory):
    """Three classes of 24 small images."""
    from training_worker import draw_images

    root = tmp_path_factory.mktemp("blobs")
    draw_images(root)
    return root
