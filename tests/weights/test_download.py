"""Downloads from a server of our own that misbehaves in every way a network can."""

import hashlib
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mobilenets.base.errors import StorageError, WeightsError
from mobilenets.weights import PUBLISHED, download, fetch

CONTENT = bytes(range(256)) * 4096  # four chunks
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """/good is whole, /short says more than it sends, /silent says nothing at all."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "silent":
            self.server.patience.wait(5)
            return
        if kind == "missing":
            self.send_error(404)
            return
        sent = CONTENT[:-1000] if kind == "short" else CONTENT
        self.send_response(200)
        if kind != "unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    Server.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.patience = threading.Event()
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.patience.set()
        running.shutdown()


@pytest.fixture
def entry(server):
    def of(kind, digest=DIGEST[:8]):
        url = f"http://127.0.0.1:{server.server_address[1]}/{kind}/weights-{digest}.pth"
        return replace(PUBLISHED["torchvision/mobilenet_v2.imagenet1k_v1"], url=url, sha256=digest)

    return of


def assert_nothing_is_left(folder):
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("digest", [DIGEST, DIGEST[:8]])
@pytest.mark.parametrize("kind", ["good", "unsized"])
def test_a_file_is_fetched_once(entry, kind, digest, tmp_path, capfd):
    path = fetch(entry(kind, digest))
    assert path.read_bytes() == CONTENT
    assert path.parent == tmp_path / "weights"
    assert fetch(entry(kind, digest)) == path
    assert len(Server.asked) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1  # no progress bar where nobody watches


def test_a_damaged_file_in_the_cache_is_fetched_again(entry):
    path = fetch(entry("good"))
    path.write_bytes(CONTENT[:-1])
    assert fetch(entry("good")).read_bytes() == CONTENT
    assert len(Server.asked) == 2


@pytest.mark.parametrize(
    ("kind", "digest", "message"),
    [
        ("missing", DIGEST[:8], r"answers 404 \(Not Found\); .* --weights FILE$"),
        ("short", DIGEST[:8], r"(broke off after 1047576 of 1048576 bytes|IncompleteRead)"),
        ("good", "0badc0de", rf"SHA-256 {DIGEST[:16]}\.\.\., published is 0badc0de"),
    ],
)
def test_what_is_not_the_published_file_is_refused(entry, kind, digest, message, tmp_path):
    with pytest.raises(WeightsError, match=message) as caught:
        fetch(entry(kind, digest))
    assert "\n" not in str(caught.value)
    assert_nothing_is_left(tmp_path)


def test_a_silent_server_is_given_up(entry, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "PATIENCE", 0.1)
    with pytest.raises(WeightsError, match=r"timed out.*go online"):
        fetch(entry("silent"))
    assert_nothing_is_left(tmp_path)


def test_offline_is_one_line_that_says_where_to_put_the_file(entry, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.pth"
        nobody = replace(entry("good"), url=url)
        with pytest.raises(
            WeightsError, match=r"cannot be downloaded .*refused.* go online, or put"
        ) as caught:
            fetch(nobody)
    assert str(tmp_path / "weights" / "weights.pth") in str(caught.value)
    assert_nothing_is_left(tmp_path)
    (tmp_path / "weights" / "weights.pth").write_bytes(CONTENT)
    assert fetch(nobody).read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_the_disks_fault(entry, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot write"):
        fetch(entry("good"))
