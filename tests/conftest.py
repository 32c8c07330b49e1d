"""`--resume`: a long run that was killed goes on where it was, as long as no source has changed."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

KEY = "mobilenets/passed"
ROOT = Path(__file__).resolve().parents[1]

# A busy machine is no failure. Every run tries the same cases; MOBILENETS_FUZZ=1 draws others each time.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=not os.environ.get("MOBILENETS_FUZZ"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--resume", action="store_true", help="leave out what passed on these very sources")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what an earlier run on the same sources passed; when all passed, begin anew."""
    if not config.getoption("--resume"):
        return
    config.stash[PASSED] = passed = Passed(config)
    left = [item for item in items if item.nodeid not in passed.names]
    if not left:
        passed.names.clear()
        return
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed.names])
    items[:] = left


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Write down a test that passed as soon as it has, so that a kill loses none."""
    report = yield
    if report.when == "call":
        item.stash[CALLED] = report.passed
    ended = report.when == "teardown" and report.passed and item.stash.get(CALLED, False)
    if ended and PASSED in item.config.stash:
        item.config.stash[PASSED].add(item.nodeid)
    return report


class Passed:
    """The tests that passed on the present sources, kept in pytest's cache."""

    def __init__(self, config: pytest.Config) -> None:
        """Read them."""
        self.cache, self.sources = config.cache, sources()
        stored = self.cache.get(KEY, {})
        self.names = set(stored["names"]) if stored.get("sources") == self.sources else set()

    def add(self, name: str) -> None:
        """Write one more down."""
        self.names.add(name)
        self.cache.set(KEY, {"sources": self.sources, "names": sorted(self.names)})


PASSED = pytest.StashKey[Passed]()
CALLED = pytest.StashKey[bool]()


def sources() -> str:
    """A digest of all that tests depend on here."""
    digest = hashlib.sha256()
    for folder in ("src", "tests", "benchmarks", "docs"):
        for path in sorted((ROOT / folder).rglob("*")):
            if (
                path.is_file()
                and path.suffix in {".py", ".json", ".csv", ".md"}
                and "results" not in path.parts
            ):
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    digest.update((ROOT / "pyproject.toml").read_bytes())
    return digest.hexdigest()


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stand-ins for adb, ssh and benchmark_model on PATH."""
    from standins import Devices

    return Devices(tmp_path / "devices", monkeypatch)
