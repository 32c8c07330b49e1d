import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mobilenets.base.errors import UsageError
from mobilenets.jobs.budget import Goal, parse_budget, parse_goal


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


NUMBER = r"[0-9]{0,3}\.?[0-9]{1,3}"


@given(st.from_regex(rf"\A *{NUMBER} *(us|µs|ms|s|MS) *\Z"))
def test_any_number_with_a_unit_is_a_time(text):
    number, unit = re.fullmatch(r" *([\d.]+) *(\w+) *", text).groups()
    ms = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit.lower().replace("µ", "u")]
    if ms:
        assert parse_budget(text) == pytest.approx(ms)
    else:
        with pytest.raises(UsageError, match="more than nothing"):
            parse_budget(text)


@given(st.text(max_size=12) | st.text("0123456789.-+e msuµ\n", max_size=6))
def test_any_other_text_is_refused_in_one_line(text):
    assume(not re.fullmatch(rf"\s*{NUMBER} *(us|µs|ms|s)\s*", text.lower()))
    with pytest.raises(UsageError) as caught:
        parse_budget(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("3ms", Goal("latency", 3.0)),
        ("150M macs", Goal("macs", 150e6)),
        ("1.2Mparams", Goal("params", 1.2e6)),
        ("600 kB", Goal("memory", 600e3)),
        ("60%", Goal("latency", share=0.6)),
        ("35 % macs", Goal("macs", share=0.35)),
    ],
)
def test_goals(text, goal):
    assert parse_goal(text) == goal
    assert goal.of(1000.0) == (goal.amount or 1000 * goal.share)


@pytest.mark.parametrize("text", ["100%", "0%", "50% speed", "0 macs", "3", "M macs", "-5M macs", "5M flops"])
def test_goals_that_are_none(text):
    with pytest.raises(UsageError):
        parse_goal(text)
