import math
from dataclasses import fields

import pytest

from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.tasks.embed import criterion
from mobilenets.training.settings import (
    CHOICES,
    REALS,
    SWITCHES,
    WHOLES,
    Settings,
    finetuning,
    from_scratch,
    override,
    readapting,
    retuning,
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1 to 100000; got 0"),
        ({"epochs": 2.5}, "epochs must be a whole number"),
        ({"epochs": "ten"}, "got 'ten'"),
        ({"epochs": True}, "got True"),
        ({"batch_size": 1}, "batch_size must be a whole number from 2"),
        ({"lr": 0}, "lr must be a number from 1e-12"),
        ({"lr": math.nan}, "lr must be a number"),
        ({"lr": None}, "got None"),
        ({"label_smoothing": 1}, "label_smoothing must be"),
        ({"ema_decay": 1.0}, "ema_decay must be"),
        ({"mixup": -0.1}, "mixup must be"),
        ({"flip": "yes"}, "flip must be true, false or null"),
        ({"channels_last": 1}, "channels_last must be true or false"),
        ({"norm_momentum": 0}, "norm_momentum must be"),
        ({"resolution_schedule": 64}, "resolution_schedule must be pairs"),
        ({"resolution_schedule": [[0.5, 64], [0.4, 80]]}, "rising"),
        ({"resolution_schedule": [[0.5, 64.5]]}, "rising"),
        ({"optimizer": "adam"}, "no optimizer 'adam'; did you mean adamw"),
        ({"augment": "strongest"}, "did you mean strong"),
        ({"class_weights": None}, "no class_weights 'None'"),
        ({"schedule": ["cosine"]}, "no schedule"),
        ({"distil_features": -1}, "distil_features must be a number from 0"),
    ],
)
def test_values_that_no_training_can_use(given, message):
    with pytest.raises(UsageError, match=message) as caught:
        override(Settings(), **given)
    assert "\n" not in str(caught.value)


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownName, match="no setting 'batchsize'; did you mean batch_size"):
        override(Settings(), batchsize=3)


def test_values_from_yaml_take_their_type():
    settings = override(Settings(), epochs=3.0, lr=1, resolution_schedule=[[0.5, 64]], norm_momentum=1)
    assert (settings.epochs, settings.lr, settings.resolution_schedule) == (3, 1.0, ((0.5, 64),))
    assert type(settings.epochs) is int
    assert type(settings.lr) is float


def test_every_field_is_checked():
    checked = {*CHOICES, *REALS, *WHOLES, *SWITCHES, "flip", "distil_features", "norm_momentum",
               "resolution_schedule"}  # fmt: skip
    assert checked == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "embed"])
@pytest.mark.parametrize("choose", [finetuning, from_scratch])
@pytest.mark.parametrize("n", [0, 1, 20, 500, 5000, 1_000_000])
def test_defaults_suit_any_number_of_images(choose, n, task):
    settings = choose(n, 10, task)
    assert 8 <= settings.batch_size <= 64
    assert settings.epochs >= 10
    assert n < 160 or n // settings.batch_size >= 10


def test_embeddings_that_were_narrowed_are_not_drawn_to_classes_of_chance():
    assert not [*criterion(retuning(1280, 5000, "embed").embed_loss, classes=9, size=4).parameters()]
    assert readapting(5000, 10, "embed").head_lr_factor == finetuning(5000, 10, "embed").head_lr_factor > 1
    assert readapting(5000, 10).head_lr_factor == 1


def test_a_training_that_is_made_short_warms_up_for_a_fifth_at_most():
    known = from_scratch(5000, 10)
    assert known.warmup_epochs == 3
    assert override(known, epochs=3).warmup_epochs == pytest.approx(0.6)
    assert override(known, epochs=100).warmup_epochs == 3
    assert override(known, epochs=3, warmup_epochs=2.0).warmup_epochs == 2
