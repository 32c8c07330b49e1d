import json
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture(scope="session")
def server():
    """A process that trains on order (torch is imported once): how to begin a training, how it ended."""
    command = [sys.executable, str(Path(__file__).with_name("training_worker.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def begin(root, run, settings, taught=False):
            order = {"root": str(root), "folder": str(run.folder), "settings": settings, "taught": taught}
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        def status():
            return int(process.stdout.readline())

        yield begin, status
        process.stdin.close()
