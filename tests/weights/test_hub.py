"""Our networks and others' files on a hub of our own: a local server that speaks as much of its interface as
is asked."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.nn import build, load_model, save_model

pytest.importorskip("huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """/NAME/resolve/REVISION/FILE and what an upload needs; `files` is what it holds, by name and file."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._file(body=False)

    def do_GET(self):
        if self.path.startswith("/blob/"):
            return self._answer(200, self.server.files[self.path.removeprefix("/blob/")])
        if self.path.startswith("/api/models/"):
            return self._json({"id": "user/birds", "sha": COMMIT, "siblings": []})
        return self._file(body=True)

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        if self.path.endswith("/repos/create"):
            return self._json({"url": f"{base}/user/birds", "name": "user/birds"})
        if "/preupload/" in self.path:
            asked = json.loads(content)["files"]
            return self._json(
                {
                    "files": [
                        {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked
                    ]
                }
            )
        if self.path.endswith("/validate-yaml"):
            return self._json({"errors": [], "warnings": []})
        if "/commit/" in self.path:
            self.server.commits.append([json.loads(line) for line in content.splitlines() if line])
            return self._json(
                {"success": True, "commitOid": COMMIT, "commitUrl": f"{base}/user/birds/commit/{COMMIT}"}
            )
        return self._answer(404, b"")

    def _file(self, *, body):
        name = self.path.lstrip("/").replace("/resolve/main/", "/").replace(f"/resolve/{COMMIT}/", "/")
        content = self.server.files.get(name)
        if content is None:
            return self._answer(
                404, b"", {"X-Error-Code": "EntryNotFound" if "birds" in name else "RepoNotFound"}
            )
        named = hashlib.sha256(self.server.named.get(name, content)).hexdigest()
        return self._answer(200, content, {"ETag": f'"{named}"', "X-Repo-Commit": COMMIT}, body=body)

    def _json(self, document):
        return self._answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _answer(self, code, content, headers=None, *, body=True):
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def hub():
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.files, server.named, server.commits = {}, {}, []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file of ours."""
    torch.manual_seed(0)
    arch = find("mobilenet_v2", width=0.35, resolution=32, classes=2)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, build(arch), Card("classify", arch, ("cat", "dog"), Preprocess(32, 36)))
    return path


def asked(code, hub_address, home):
    """Python in a process of its own, whose hub is at the address: its standard output and error."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    environment = {key: value for key, value in os.environ.items() if key.lower() not in proxies}
    environment |= {"HF_ENDPOINT": hub_address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1",
                    "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_" + "x" * 30}  # fmt: skip
    program = PROGRAM.format(code.strip().replace("\n", "\n    "))
    words = [sys.executable, "-c", program]
    return subprocess.run(words, check=False, capture_output=True, text=True, env=environment)


PROGRAM = """
from mobilenets.base.errors import MobilenetsError
try:
    {}
except MobilenetsError as error:
    print("error:", error)
"""


def address(hub):
    return f"http://127.0.0.1:{hub.server_address[1]}"


FROM = """
import mobilenets
network, card = mobilenets.from_pretrained({name!r})
print(card.labels, sum(p.double().sum().item() for p in network.parameters()), network.training)
"""


@pytest.mark.slow
def test_a_network_comes_from_the_hub_and_stays(hub, model, tmp_path):
    hub.files["user/birds/model.safetensors"] = model.read_bytes()
    total = sum(p.double().sum().item() for p in load_model(model)[0].parameters())
    done = asked(FROM.format(name="user/birds"), address(hub), tmp_path)
    assert done.stdout.split("\n")[0] == f"('cat', 'dog') {total} False", done.stderr
    again = asked(FROM.format(name="user/birds"), "http://127.0.0.1:9", tmp_path)  # nobody listens there
    assert again.stdout == done.stdout, again.stderr
    assert again.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "user/cats",
            r"'user/cats' on the hub at .* cannot be used \(RepositoryNotFoundError: .*check the name",
        ),
        ("user/birds/x", r"cannot be used \(HFValidationError"),
    ],
)
def test_what_is_not_on_the_hub_is_one_line(hub, name, line, tmp_path):
    done = asked(FROM.format(name=name), address(hub), tmp_path)
    assert done.stdout.startswith("error: ")
    assert done.stdout.count("\n") == 1
    assert re.search(line, done.stdout), done.stdout


@pytest.mark.slow
def test_offline_is_one_line_at_once(tmp_path):
    done = asked(FROM.format(name="user/birds"), "http://127.0.0.1:9", tmp_path)
    assert done.stdout == "error: http://127.0.0.1:9 cannot be reached for 'user/birds'; go online\n"
    assert done.stderr == ""


@pytest.mark.slow
def test_published_weights_come_from_the_hub_and_are_checked(hub, model, tmp_path):
    name = "timm/mobilenetv4_conv_small.e2400_r224_in1k"
    hub.files[f"{name}/model.safetensors"] = model.read_bytes()
    code = f"import mobilenets\nprint(mobilenets.fetch_weights({name!r})['sha256'])"
    done = asked(code, address(hub), tmp_path / "sound")
    assert done.stdout == hashlib.sha256(model.read_bytes()).hexdigest() + "\n", done.stderr
    hub.named[f"{name}/model.safetensors"] = b"something else"
    done = asked(code, address(hub), tmp_path / "changed")
    assert "is not what the hub names it by" in done.stdout
    assert not [path for path in (tmp_path / "changed").rglob("blobs/*") if path.is_file()]


@pytest.mark.slow
def test_a_run_is_pushed_with_its_card(hub, model, tmp_path):
    code = f"import mobilenets\nprint(mobilenets.push_to_hub({str(model)!r}, 'user/birds')['commit'])"
    done = asked(code, address(hub), tmp_path)
    assert COMMIT in done.stdout, done.stdout + done.stderr
    files = {line["value"]["path"]: line["value"] for line in hub.commits[-1] if line["key"] == "file"}
    assert set(files) == {"README.md", "model.safetensors"}
    (tmp_path / "sent.safetensors").write_bytes(base64.b64decode(files["model.safetensors"]["content"]))
    network, card = load_model(tmp_path / "sent.safetensors")
    assert card.labels == ("cat", "dog")
    expected = load_model(model)[0].state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in network.state_dict().items())


def test_without_the_package_there_is_a_line_with_the_command(monkeypatch):
    import mobilenets
    from mobilenets.base.errors import MissingPackage, WeightsError

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "mobilenets.weights.hub", raising=False)
    with pytest.raises(MissingPackage, match=r"pip install 'mobilenets\[hub\]'"):
        mobilenets.from_pretrained("user/birds")
    with pytest.raises(WeightsError, match=r"hub alone, and .*pip install 'mobilenets\[hub\]'"):
        mobilenets.fetch_weights("mobilenetv1_100")


def test_a_folder_is_as_good_as_a_place(model):
    import mobilenets

    network, card = mobilenets.from_pretrained(str(model.parent))
    assert (card.labels, network.training) == (("cat", "dog"), False)


def test_nothing_loads_it_before_it_is_asked_for():
    code = "import sys, mobilenets.weights, mobilenets.jobs.weights, mobilenets.jobs.hub; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"huggingface_hub", "h5py", "torch", "ai_edge_litert"} & {
        name.split(".")[0] for name in out.split()
    }


@pytest.mark.slow
def test_the_mixin_itself_reads_what_it_wrote(hub, model, tmp_path):
    hub.files["user/birds/model.safetensors"] = model.read_bytes()
    code = """
from mobilenets.weights.hub import HubModel
there = HubModel.from_pretrained("user/birds")
there.save_pretrained("{folder}")
print(HubModel.from_pretrained("{folder}").card == there.card)
""".format(folder=tmp_path / "copy")
    done = asked(code, address(hub), tmp_path)
    assert done.stdout == "True\n", done.stdout + done.stderr
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"README.md", "model.safetensors"}
