"""The card and the preprocessing record as JSON: round trips, and what is refused."""

import json
from dataclasses import replace

import pytest
from arch_strategies import anything, archs, attempt, damaged
from hypothesis import given
from hypothesis import strategies as st

from mobilenets.arch import Preprocess, card, preprocess, zoo
from mobilenets.arch.card import Card
from mobilenets.base.errors import ArchError

ARCH = zoo.find("mobilenet_v2", resolution=96, classes=3)
RECORD = Preprocess(crop=96, resize=110)
CARD = Card(
    "classify", ARCH, ("crane", "crane", "Straße 東京"), RECORD, weights="imagenet", command="fit signs"
)
numbers = st.floats(-10, 10)
sides = st.integers(1, 500)


@st.composite
def records(draw, crop=None):
    """Any preprocessing record, for a network of `crop` pixels where given."""
    crop = crop or draw(sides)
    std = st.floats(0.01, 10)
    return Preprocess(
        crop,
        crop + draw(st.integers(0, 200)),
        draw(st.sampled_from(("bilinear", "bicubic"))),
        (draw(numbers), draw(numbers), draw(numbers)),
        (draw(std), draw(std), draw(std)),
    )


@st.composite
def cards(draw):
    """Any card."""
    arch = draw(archs(most_blocks=3))
    classes = arch.head.classes
    labels = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=classes,
                           max_size=classes))  # fmt: skip
    metric = {"name": "top1", "value": draw(st.floats(0, 1)), "n": draw(sides), "split": "test"}
    words = st.text(max_size=9)
    record = draw(records(arch.resolution))
    metric = draw(st.sampled_from(({}, metric)))
    return Card(arch.head.task, arch, tuple(labels), record, draw(words), metric, draw(words))


@given(records())
def test_a_record_round_trips(record):
    document = json.loads(json.dumps(preprocess.encode(record)))
    assert preprocess.decode(document) == record
    assert preprocess.encode(record) == document


def test_a_record_may_leave_out_what_has_a_default():
    assert preprocess.decode({"crop": 96, "resize": 96}) == Preprocess(96, 96)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 0}, "^preprocess: crop must be from 1 to resize, got crop 0 and resize 110"),
        ({"crop": 111}, "crop must be from 1 to resize, got crop 111 and resize 110"),
        ({"crop": True}, "got crop True"),
        ({"resize": 110.5}, r"resize 110\.5"),
        ({"resize": 10**12}, "crop must be from 1 to resize"),
        ({"resize": None}, "resize None"),
        ({"interpolation": "nearest"}, "interpolation must be bilinear or bicubic, got 'nearest'"),
        ({"interpolation": ["bilinear"]}, "interpolation must be bilinear or bicubic"),
        ({"mean": "abc"}, r"^preprocess\.mean must be of type list, got 'abc'"),
        ({"mean": ["a", "b", "c"]}, r"^preprocess\.mean\[0\] must be of type float, got 'a'"),
        ({"mean": [0.5, True, 0.5]}, r"^preprocess\.mean\[1\] must be of type float, got True"),
        ({"mean": [0.5, 0.5]}, "need three numbers each"),
        ({"mean": None}, r"^preprocess\.mean must be of type list, got None"),
        ({"mean": [NAN, 0, 0]}, "need three numbers each"),
        ({"std": [1, 1, INF]}, "need three numbers each"),
        ({"std": [1, 0, 1]}, r"std must be above 0, got \(1, 0, 1\)"),
        ({"std": [10**400, 1, 1]}, "need three numbers each"),
        ({"gamma": 2.2}, r"^preprocess has the unknown key 'gamma'; known are crop, resize"),
    ],
)
def test_records_that_cannot_be_executed(change, message):
    with pytest.raises(ArchError, match=message):
        preprocess.decode({**preprocess.encode(RECORD), **change})


@given(anything)
def test_any_json_value_is_a_record_or_an_arch_error(value):
    _record_or_arch_error(value)


@given(st.data())
def test_any_damaged_record_is_a_record_or_an_arch_error(data):
    _record_or_arch_error(data.draw(damaged(preprocess.encode(RECORD))))


def _record_or_arch_error(value):
    record = attempt(preprocess.decode, value)
    assert record is None or preprocess.decode(preprocess.encode(record)) == record


@given(cards())
def test_a_card_round_trips(made):
    assert card.loads(card.dumps(made)) == made
    assert card.loads(card.dumps(made).encode()) == made
    json.loads(card.dumps(made), parse_constant=pytest.fail)


def test_two_classes_may_share_a_name_and_names_may_be_in_any_script():
    assert card.loads(card.dumps(CARD)).labels == ("crane", "crane", "Straße 東京")


def test_a_measured_metric_travels_with_the_card():
    measured = card.with_metric(CARD, "top1", 0.75, 400, "val")
    assert card.loads(card.dumps(measured)).metric == {
        "name": "top1",
        "value": 0.75,
        "n": 400,
        "split": "val",
    }
    assert CARD.metric == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, r"^card: schema must be 1, got 2; written by another version\?"),
        ({"schema": 1.0}, r"^card: schema must be 1, got 1\.0"),
        ({"labels": "abc"}, r"^card\.labels must be of type list, got 'abc'"),
        ({"labels": [1, 2, 3]}, r"^card\.labels\[0\] must be of type str, got 1"),
        ({"labels": ["a", "b"]}, "^2 labels for 3 classes; they must agree"),
        ({"labels": ["a", "b", "\udcff"]}, r"class name '\\udcff' is not valid UTF-8; rename the class"),
        ({"labels": None}, r"^card\.labels must be of type list, got None"),
        ({"metric": []}, r"^card\.metric must be of type dict, got \[\]"),
        ({"metric": "top1"}, r"^card\.metric must be of type dict, got 'top1'"),
        ({"task": 1}, r"^card\.task must be of type str, got 1"),
        ({"weights": None}, r"^card\.weights must be of type str, got None"),
        ({"command": ["fit"]}, r"^card\.command must be of type str, got \['fit'\]"),
        ({"preprocess": {"crop": 64, "resize": 64}}, "^preprocessing cuts 64 pixels, the network takes 96"),
        ({"arch": None}, r"^arch must be of type dict, got None"),
        ({"author": "x"}, r"^card has the unknown key 'author'; known are schema, task"),
    ],
)
def test_cards_that_cannot_be(change, message):
    document = {**json.loads(card.dumps(CARD)), **change}
    with pytest.raises(ArchError, match=message):
        card.loads(json.dumps(document))


@pytest.mark.parametrize("key", card.REQUIRED)
def test_a_card_lacks_nothing(key):
    document = json.loads(card.dumps(CARD))
    del document[key]
    with pytest.raises(ArchError, match=rf"card\.{key} is missing|schema must be 1, got None"):
        card.loads(json.dumps(document))


def test_a_card_written_before_there_were_forms_still_reads():
    document = json.loads(card.dumps(CARD))
    del document["outputs"]
    assert card.loads(json.dumps(document)) == CARD


def test_a_card_says_who_taught_where_someone_did():
    taught = replace(CARD, teacher="mobilenet_v2 from runs/large")
    assert card.loads(card.dumps(taught)) == taught
    assert "teacher" not in json.loads(card.dumps(CARD))
    with pytest.raises(ArchError, match=r"card\.teacher must be"):
        card.loads(json.dumps({**json.loads(card.dumps(CARD)), "teacher": 1}))


@pytest.mark.parametrize("outputs", ["nms", "argmax", "probability"])
def test_a_classifier_has_one_form_only(outputs):
    with pytest.raises(ArchError, match=rf"outputs must be empty for 'classify', got '{outputs}'"):
        replace(CARD, outputs=outputs)
    assert CARD.form == ""


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000, '{"schema": NaN}', "[]", "7", b"\x89PNG"])
def test_text_that_is_no_card_is_one_line(text):
    with pytest.raises(ArchError, match=r"^(the )?card") as caught:
        card.loads(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_other_readers_refuse_are_refused_when_reading(number):
    measured = card.with_metric(CARD, "top1", 0.5, 400, "val")
    text = card.dumps(measured).replace('"value": 0.5', f'"value": {number}')
    with pytest.raises(ArchError, match=f"^the card is not JSON: {number} is not a number"):
        card.loads(text)


@pytest.mark.parametrize("value", [NAN, INF, object()])
def test_a_metric_that_json_cannot_hold_is_refused_when_writing(value):
    with pytest.raises(ArchError, match="the card cannot be written as JSON"):
        card.dumps(
            replace(CARD, metric={"name": "top1", "value": 0.5, "n": 4, "split": "val", "more": value})
        )


@pytest.mark.parametrize("metric", [{"value": 0.5}, {"name": 5, "value": "x", "n": 1, "split": "val"}])
def test_a_metric_says_what_was_measured_on_what(metric):
    with pytest.raises(ArchError, match="metric must have a name, a value, n and split"):
        replace(CARD, metric=metric)


def test_a_card_is_for_the_task_of_its_network():
    with pytest.raises(ArchError, match="task is 'detect', the network's head is for classify"):
        replace(CARD, task="detect")


@given(st.data())
def test_any_damaged_card_is_a_card_or_an_arch_error(data):
    document = data.draw(damaged(json.loads(card.dumps(CARD))))
    made = attempt(card.loads, json.dumps(document))
    assert made is None or card.loads(card.dumps(made)) == made
