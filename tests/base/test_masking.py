import pytest

from mobilenets.base.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:a@b@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:secret@host", "postgresql+psycopg://me:***@host"),
        ("postgresql://me@host/db?password=secret&x=1", "postgresql://me@host/db?password=***&x=1"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("photos:5@home", "photos:5@home"),
    ],
)
def test_no_password_is_shown(text, shown):
    assert masked(text) == shown
