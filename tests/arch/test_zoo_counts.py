"""Parameters, MACs and widths of the published networks: integers counted from torchvision's and timm's."""

import pytest

from mobilenets.arch import Inverted, cost
from mobilenets.arch.zoo import find

M = 1_000_000

# family, width, dialect, params at 1000 classes, {resolution: MACs}
COUNTS = [
    ("mobilenet_v1", 1.0, "timm", 4_231_976, {224: 568_740_352}),
    ("mobilenet_v1", 1.25, "timm", 6_270_840, {224: 879_516_800}),
    ("mobilenet_v2", 0.35, "torchvision", 1_677_128, {224: 59_285_808}),
    ("mobilenet_v2", 0.5, "torchvision", 1_968_680, {224: 97_131_840}),
    ("mobilenet_v2", 0.75, "torchvision", 2_636_424, {224: 209_069_792}),
    ("mobilenet_v2", 1.0, "torchvision", 3_504_872,
     {224: 300_774_272, 192: 221_316_608, 160: 154_083_200, 128: 99_074_048, 96: 56_289_152}),
    ("mobilenet_v2", 1.3, "torchvision", 5_386_792, {224: 509_374_560}),
    ("mobilenet_v2", 1.4, "torchvision", 6_108_776, {224: 582_195_824}),
    ("mobilenet_v3_large", 1.0, "torchvision", 5_483_032,
     {256: 281_663_360, 224: 216_589_760, 192: 160_192_640, 160: 112_472_000, 128: 73_427_840,
      96: 43_060_160}),
    ("mobilenet_v3_small", 1.0, "torchvision", 2_542_856,
     {256: 73_175_040, 224: 56_510_400, 192: 42_067_712, 160: 29_846_976, 128: 19_848_192, 96: 12_071_360}),
    ("mobilenet_v3_large", 0.75, "timm", 3_993_528, {224: 154_560_624}),
    ("mobilenet_v3_large", 0.75, "torchvision", 3_377_576, {224: 140_033_816}),
    ("mobilenet_v3_small", 0.75, "timm", 2_041_872, {224: 43_399_344}),
    ("mobilenet_v3_small", 0.75, "torchvision", 1_653_920, {224: 39_115_576}),
    ("mobilenet_v3_small", 0.5, "timm", 1_593_224, {224: 24_188_688}),
    ("mobilenet_v3_small", 0.5, "torchvision", 917_264, {224: 18_970_736}),
    ("mobilenet_v3_large", 0.35, "torchvision", 997_064, {224: 35_278_408}),
    ("mobilenet_v3_large", 0.5, "torchvision", 1_734_576, {224: 64_962_192}),
    ("mobilenet_v3_large", 1.25, "torchvision", 8_164_744, {224: 343_461_000}),
    ("mobilenet_v3_small", 0.35, "torchvision", 558_744, {224: 11_238_936}),
    ("mobilenet_v3_small", 1.25, "torchvision", 3_644_912, {224: 88_155_944}),
]  # fmt: skip
CASES = [
    pytest.param(family, width, dialect, params, side, macs, id=f"{family}-{width}-{dialect}-{side}")
    for family, width, dialect, params, sides in COUNTS
    for side, macs in sides.items()
]


@pytest.mark.parametrize(("family", "width", "dialect", "params", "side", "macs"), CASES)
def test_counts_of_the_published_networks(family, width, dialect, params, side, macs):
    counted = cost(find(family, width=width, resolution=side, dialect=dialect))
    assert (counted.params, counted.macs) == (params, macs)


@pytest.mark.parametrize("dialect", ["timm", "tensorflow", "keras"])
@pytest.mark.parametrize("family", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"])
def test_at_width_one_all_dialects_count_the_same(family, dialect):
    assert cost(find(family, dialect=dialect)) == cost(find(family, dialect="torchvision"))


# Published tables of the slim checkpoints, MACs in millions at 224, 192, 160, 128 (and 96 for V2), rounded up
# or down.
SLIM = [
    ("mobilenet_v1", 1.0, (569, 418, 291, 186)),
    ("mobilenet_v1", 0.5, (150, 110, 77, 49)),
    ("mobilenet_v2", 1.0, (300, 221, 154, 99, 56)),
    ("mobilenet_v2", 0.75, (209, 153, 107, 69, 39)),
    ("mobilenet_v2", 0.5, (97, 71, 50, 32, 18)),
    ("mobilenet_v2", 0.35, (59, 43, 30, 20, 11)),
]


@pytest.mark.parametrize(("family", "width", "millions"), SLIM)
def test_tensorflow_counts_agree_with_the_tables_of_slim(family, width, millions):
    for side, listed in zip((224, 192, 160, 128, 96), millions, strict=False):
        macs = cost(find(family, width=width, resolution=side, dialect="tensorflow")).macs
        assert abs(macs / M - listed) < 1, (side, macs)


def test_tensorflow_v1_has_the_parameters_of_slim_with_its_background_class():
    listed = {1.0: 4.24, 0.75: 2.59, 0.5: 1.34, 0.25: 0.47}
    for width, millions in listed.items():
        params = cost(find("mobilenet_v1", width=width, dialect="tensorflow", classes=1001)).params
        assert abs(params / M - millions) < 0.01, (width, params)


# Stage outputs without the last 1x1 convolution, in order of appearance
V2_WIDTHS = {
    0.35: (16, 8, 8, 16, 24, 32, 56, 112),
    0.5: (16, 8, 16, 16, 32, 48, 80, 160),
    0.75: (24, 16, 24, 24, 48, 72, 120, 240),
    1.0: (32, 16, 24, 32, 64, 96, 160, 320),
    1.3: (40, 24, 32, 40, 80, 128, 208, 416),
    1.4: (48, 24, 32, 48, 88, 136, 224, 448),
}
V2_FIRST_OF_STAGE = (0, 1, 2, 4, 7, 11, 14, 17)
V3_LARGE_WIDTHS = {
    0.35: (8, 8, 16, 32, 40, 56),
    0.5: (8, 16, 24, 40, 56, 80),
    0.75: (16, 24, 32, 64, 88, 120),
    1.0: (16, 24, 40, 80, 112, 160),
    1.25: (24, 32, 48, 104, 144, 200),
}
V3_LARGE_FIRST_OF_STAGE = (1, 2, 4, 7, 11, 13)
V3_SMALL_WIDTHS = {
    0.35: (8, 8, 16, 16, 32),
    0.5: (8, 16, 24, 24, 48),
    0.75: (16, 24, 32, 40, 72),
    1.0: (16, 24, 40, 48, 96),
    1.25: (24, 32, 48, 64, 120),
}
V3_SMALL_FIRST_OF_STAGE = (1, 2, 4, 7, 9)
WIDTHS = [
    pytest.param(family, width, stages, outs, dialect, id=f"{family}-{width}-{dialect}")
    for family, stages, table in (
        ("mobilenet_v2", V2_FIRST_OF_STAGE, V2_WIDTHS),
        ("mobilenet_v3_large", V3_LARGE_FIRST_OF_STAGE, V3_LARGE_WIDTHS),
        ("mobilenet_v3_small", V3_SMALL_FIRST_OF_STAGE, V3_SMALL_WIDTHS),
    )
    for width, outs in table.items()
    for dialect in ("torchvision", "timm", "tensorflow", "keras")
]


@pytest.mark.parametrize(("family", "width", "stages", "outs", "dialect"), WIDTHS)
def test_scaled_channels_are_those_of_the_published_code(family, width, stages, outs, dialect):
    arch = find(family, width=width, dialect=dialect)
    assert tuple(arch.blocks[index].out for index in stages) == outs


@pytest.mark.parametrize(
    ("width", "last"), [(0.35, 1280), (0.75, 1280), (1.0, 1280), (1.3, 1664), (1.4, 1792)]
)
def test_the_last_layer_of_v2_grows_and_never_shrinks(width, last):
    assert find("mobilenet_v2", width=width).blocks[-1].out == last


SQUEEZES = {
    "mobilenet_v3_large": (24, 32, 32, 120, 168, 168, 240, 240),
    "mobilenet_v3_small": (8, 24, 64, 64, 32, 40, 72, 144, 144),
}


@pytest.mark.parametrize("family", SQUEEZES)
def test_squeeze_widths_in_row_order(family):
    blocks = find(family).blocks
    assert tuple(b.squeeze for b in blocks if isinstance(b, Inverted) and b.squeeze) == SQUEEZES[family]


# What the dialects do with stem, row "184" (2.3 times 80) and hidden layer of V3-Large at width 0.75
@pytest.mark.parametrize(
    ("dialect", "stem", "hidden_184", "head"),
    [
        ("torchvision", 16, 136, 960),
        ("timm", 16, 144, 1280),
        ("tensorflow", 16, 144, 1280),
        ("keras", 16, 144, 1280),
    ],
)
def test_where_the_dialects_differ_below_width_one(dialect, stem, hidden_184, head):
    arch = find("mobilenet_v3_large", width=0.75, dialect=dialect)
    assert (arch.blocks[0].out, arch.blocks[9].hidden, arch.head.hidden) == (stem, hidden_184, head)


@pytest.mark.parametrize(
    ("dialect", "stem"), [("torchvision", 8), ("timm", 16), ("tensorflow", 16), ("keras", 16)]
)
def test_the_stem_at_half_width(dialect, stem):
    assert find("mobilenet_v3_large", width=0.5, dialect=dialect).blocks[0].out == stem


@pytest.mark.parametrize(
    ("name", "eps", "padding", "hidden"),
    [
        ("torchvision", 1e-3, "symmetric", "linear"),
        ("timm", 1e-5, "symmetric", "conv"),
        ("tensorflow", 1e-3, "same", "conv"),
        ("keras", 1e-3, "same", "conv"),
    ],
)
def test_what_a_dialect_of_v3_says(name, eps, padding, hidden):
    dialect = find("mobilenet_v3_small", dialect=name).dialect
    assert (dialect.name, dialect.norm_eps, dialect.padding, dialect.hidden) == (name, eps, padding, hidden)


def test_torchvision_norms_differ_between_v2_and_v3():
    v2, v3 = (find(family).dialect for family in ("mobilenet_v2", "mobilenet_v3_large"))
    assert (v2.norm_eps, v2.norm_momentum, v3.norm_eps, v3.norm_momentum) == (1e-5, 0.1, 1e-3, 0.01)


# torch's momentum of the published code: one minus TensorFlow's decay
@pytest.mark.parametrize(
    ("family", "dialect", "momentum"),
    [
        ("mobilenet_v1", "tensorflow", 0.0003), ("mobilenet_v2", "tensorflow", 0.003),
        ("mobilenet_v3_large", "tensorflow", 0.003), ("mobilenet_v1", "keras", 0.01),
        ("mobilenet_v2", "keras", 0.001), ("mobilenet_v3_small", "keras", 0.001),
        ("mobilenet_v2", "timm", 0.1),
    ],
)  # fmt: skip
def test_norm_momentum_of_each_reading(family, dialect, momentum):
    assert find(family, dialect=dialect).dialect.norm_momentum == momentum


@pytest.mark.parametrize(
    ("family", "dialect", "rate"),
    [
        ("mobilenet_v1", "tensorflow", 0.001), ("mobilenet_v1", "keras", 0.001),
        ("mobilenet_v2", "keras", 0.0), ("mobilenet_v2", "tensorflow", 0.2),
        ("mobilenet_v3_large", "keras", 0.2),
    ],
)  # fmt: skip
def test_dropout_of_each_reading(family, dialect, rate):
    assert find(family, dialect=dialect).head.dropout == rate


def test_v1_widths_are_truncated_by_slim_and_keras_and_rounded_by_timm():
    outs = {
        dialect: [block.out for block in find("mobilenet_v1", width=0.2, dialect=dialect).blocks[:3]]
        for dialect in ("tensorflow", "keras", "timm")
    }
    assert outs == {"tensorflow": [8, 12, 25], "keras": [6, 12, 25], "timm": [8, 16, 24]}


def test_keras_truncates_the_widths_of_v2_before_rounding_them():
    # 16 * 0.56 = 8.96: eight would lose more than a tenth of 8.96, but not of 8
    assert find("mobilenet_v2", width=0.56, dialect="tensorflow").blocks[1].out == 16
    assert find("mobilenet_v2", width=0.56, dialect="keras").blocks[1].out == 8
