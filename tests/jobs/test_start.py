"""How jobs begin."""

import shlex
import sys

import pytest

from mobilenets.jobs.start import command


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("search photos --storage postgresql://me:secret@host/trials", "postgresql://me:***@host/trials"),
        ("search photos --storage=postgresql+psycopg://me:p@ss@host:5432/trials",
         "--storage=postgresql+psycopg://me:***@host:5432/trials"),
        ("search photos --storage postgresql://me@host/trials", "postgresql://me@host/trials"),
        ("fit photos --target litert:ssh=me@board:1", "litert:ssh=me@board:1"),
    ],
)  # fmt: skip
def test_files_tell_the_command_but_no_password(given, told, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/mobilenets", *given.split()])
    assert shlex.split(command())[-1] == told
