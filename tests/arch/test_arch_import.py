"""`mobilenets.arch` needs the standard library only, loads quickly and says nothing."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "numpy", "PIL", "yaml", "rich", "typer", "pydantic", "matplotlib")
MODULES = [
    "arch",
    "arch.zoo",
    "arch.card",
    "arch.codec",
    "arch.edit",
    "base",
    "base.files",
    "base.run",
    "base.console",
]


@pytest.mark.parametrize("module", MODULES)
def test_a_fresh_interpreter_loads_nothing_heavy_and_warns_of_nothing(module):
    code = f"import sys, mobilenets.{module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
    assert done.stderr == ""


def loading(module):
    """The least of five times that a fresh interpreter takes to load a module: processor time, in seconds."""
    code = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return min(runs)


def test_arch_loads_in_under_a_tenth_of_a_second():
    """Or, on a slow machine, in less than twice what the standard library's asyncio takes."""
    assert loading("mobilenets.arch") < max(0.1, 2 * loading("asyncio"))
