"""The run folder: everything one run asked for, did and made. Stages speak to each other through it."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mobilenets.base.errors import (
    ConfigMismatch,
    Interrupted,
    MobilenetsError,
    RunError,
    StorageError,
    shown,
)
from mobilenets.base.files import read_json, write_bytes, write_json, write_text

PACKAGES = (
    "mobilenets",
    "torch",
    "torchvision",
    "litert-torch",
    "litert-converter",
    "ai-edge-litert",
    "onnx",
    "onnxscript",
    "onnx-ir",
    "onnxruntime",
    "numpy",
)
# What a run writes before its first training, exports and checkpoints come later.
PREPARED = ("config.yaml", "env.json", "status.json", "dataset.json", "arch.json", "card.json",
            "candidates.json", "start.json", "record.json", "table.json", "measured.json")  # fmt: skip
LATER = ("model.safetensors", "checkpoints", "exports", "result.json", "metrics.csv", "search.db")
HARMLESS = ("workers", "checkpoint_seconds")  # settings that may differ between a run and its resumption


@dataclass(frozen=True)
class Run:
    """The places inside one run folder."""

    folder: Path

    @property
    def config(self) -> Path:
        """What was asked."""
        return self.folder / "config.yaml"

    @property
    def dataset(self) -> Path:
        """Fingerprint, class names in order, split sizes."""
        return self.folder / "dataset.json"

    @property
    def arch(self) -> Path:
        """The network."""
        return self.folder / "arch.json"

    @property
    def card(self) -> Path:
        """What the training began with: task, network, class names, preprocessing, weights."""
        return self.folder / "card.json"

    @property
    def candidates(self) -> Path:
        """What `fit` measured before it chose."""
        return self.folder / "candidates.json"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.folder / "metrics.csv"

    @property
    def adaptation(self) -> Path:
        """How `adapt` came from one network to a narrower one, round by round."""
        return self.folder / "adapt.json"

    @property
    def search(self) -> Path:
        """What `search` tried, and what came of it."""
        return self.folder / "search.json"

    @property
    def finalists(self) -> Path:
        """Which networks `search` chose, measured and trained in full."""
        return self.folder / "finalists.json"

    @property
    def ways(self) -> Path:
        """The networks that `fit` made where it had several ways to one, and which of them is kept."""
        return self.folder / "ways.json"

    @property
    def last(self) -> Path:
        """The newest training state."""
        return self.folder / "checkpoints" / "last.safetensors"

    @property
    def best(self) -> Path:
        """The training state with the best validation metric."""
        return self.folder / "checkpoints" / "best.safetensors"

    @property
    def weights(self) -> Path:
        """The finished weights, with everything needed to use them in the file's metadata."""
        return self.folder / "model.safetensors"

    @property
    def exports(self) -> Path:
        """Files for runtimes."""
        return self.folder / "exports"

    @property
    def plots(self) -> Path:
        """Figures."""
        return self.folder / "plots"

    @property
    def result(self) -> Path:
        """What the run reached: metric and latency of the artefact, predictions on the held-out images."""
        return self.folder / "result.json"

    @property
    def status(self) -> Path:
        """Which stage runs or ended, and when."""
        return self.folder / "status.json"

    @property
    def report(self) -> Path:
        """The offline page."""
        return self.folder / "report.html"


def open_run(folder: Path, config: dict[str, Any]) -> Run:
    """Create the run folder for `config`, or reopen it when it was made with the same settings.

    Raises ConfigMismatch naming each setting that differs, RunError when `folder` is a file, holds what only
    runs hold without being one, or its settings are broken, StorageError when it cannot be written.
    """
    import yaml

    run = Run(Path(folder))
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    if run.config.exists():
        before, now = read_config(run), yaml.safe_load(text)  # as it reads back: tuples are lists
        if differing := changes(_binding(before), _binding(now)):
            raise ConfigMismatch(
                f"{run.folder} holds a run with other settings ({differing}); "
                "use another --out, or the same settings"
            )
    elif run.folder.is_file():
        raise RunError(f"{run.folder} is a file; give a folder for the run")
    elif strange := next((name for name in (*PREPARED, *LATER) if (run.folder / name).exists()), None):
        raise RunError(
            f"{run.folder} holds {strange}, which a run would replace, but no config.yaml of one; use "
            "another --out"
        )
    else:
        write_text(run.config, text)
    env, now = run.folder / "env.json", environment()
    with suppress(RunError):  # a broken one is written anew
        if read(env, {}) == now:
            return run
    write_json(env, now)
    return run


def _binding(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a resumption must have in common with its run."""
    settings = config.get("settings")
    if not isinstance(settings, dict):
        return dict(config)
    return {**config, "settings": {key: value for key, value in settings.items() if key not in HARMLESS}}


def came_to_nothing(run: Run) -> bool:
    """Whether a run ended before its first training: its folder holds nothing but what comes before."""
    return all(entry.name in PREPARED or entry.name.startswith(".") for entry in run.folder.iterdir())


def clear(run: Run) -> None:
    """Take away what a run that came to nothing has written. Raises StorageError."""
    try:
        for name in reversed(PREPARED):  # the settings last: without them nobody would know the rest
            (run.folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be deleted ({error.strerror}); use another --out"
        ) from error


def find_run(folder: Path) -> Run:
    """The run in `folder`. Raises RunError when there is none."""
    run = Run(Path(folder))
    if not run.config.exists():
        raise RunError(f"{folder} is not a run folder (no config.yaml in it); give the --out folder of a run")
    return run


def keep_weights(run: Run, content: bytes) -> None:
    """Put finished weights where they belong. What was made of others goes first, exported files and the
    result: whoever asks for them gets them anew. Raises StorageError.
    """
    if run.weights.exists() and run.weights.read_bytes() == content:
        return
    try:
        for old in (run.result, *run.exports.glob("model*")):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} was made from other weights and cannot be deleted ({error.strerror}); "
            "delete it, then run the same command again"
        ) from error
    write_bytes(run.weights, content)


def read_config(run: Run) -> dict[str, Any]:
    """The settings of a run. Raises RunError when the file is broken."""
    import yaml

    try:
        config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())  # yaml explains itself on several lines
        raise RunError(f"{run.config} cannot be read ({reason}); start in a fresh folder") from error
    if not isinstance(config, dict):
        raise RunError(f"{run.config} holds no settings; start in a fresh folder")
    return config


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Each value in which one mapping differs from another, as it is there and now; what lacks is None."""
    return ", ".join(
        f"{key}: {shown(old.get(key))} there, {shown(new.get(key))} now"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    )


def mark(run: Run, stage: str, state: str, **facts: Any) -> None:
    """Write status.json: the stage, its state (running, done, failed, interrupted) and when."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(run.status, {"stage": stage, "state": state, "time": now, **facts})


@contextmanager
def marked(run: Run, stage: str) -> Iterator[dict[str, Any]]:
    """Have status.json say how a stage goes and ends; what is put into the dict is told with its end."""
    mark(run, stage, "running")
    facts: dict[str, Any] = {}
    try:
        yield facts
    except Interrupted:
        mark(run, stage, "interrupted")
        raise
    except MobilenetsError as error:
        mark(run, stage, "failed", reason=str(error))
        raise
    except KeyboardInterrupt:
        mark(run, stage, "interrupted")
        raise
    mark(run, stage, "done", **facts)


def read(path: Path, fallback: Any = None) -> Any:
    """The JSON in `path`, or `fallback` where a stage has not written it yet.

    Raises RunError when it is broken, and for anything but an object where the fallback is one.
    """
    document = read_json(path) if path.exists() else fallback
    if isinstance(fallback, dict) and not isinstance(document, dict):
        raise RunError(f"{path} holds no JSON object; delete it to have it made again")
    return document


def environment() -> dict[str, Any]:
    """Versions, processor and cores: what a number measured here depends on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
