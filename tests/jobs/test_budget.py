from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenets.base.errors import UsageError
from mobilenets.jobs.budget import parse_budget


@pytest.mark.parametrize(
    ("text", "ms"),
    [("5ms", 5), ("0.8 ms", 0.8), ("800us", 0.8), ("800µs", 0.8), ("0.1s", 100), (".5MS", 0.5)],
)
def test_times(text, ms):
    assert parse_budget(text) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "needs a unit, got '5'; write 5ms"),
        ("5min", "unit 'min'; known are us"),
        ("fast", "must be a time like 5ms, got 'fast'"),
        ("-1ms", "must be a time"),
        ("0ms", "more than nothing"),
        ("", "must be a time"),
        ("nanms", "must be a time"),
    ],
)
def test_what_is_no_time(text, message):
    with pytest.raises(UsageError, match=message):
        parse_budget(text)


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_refused(text):
    with suppress(UsageError):
        assert parse_budget(text) > 0
