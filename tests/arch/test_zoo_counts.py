"""Parameters, MACs and widths of the published networks: integers counted from torchvision's and timm's."""

import pytest

from mobilenets.arch import Attention, Fused, Inverted, Universal, cost
from mobilenets.arch.cost import cost_per_op
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.arch.zoo.dialects import DIALECTS
from mobilenets.arch.zoo.efficientnet_lite import SERIES
from mobilenets.arch.zoo.rounding import repeats_at

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
    ("mobilenet_v3_large_minimalistic", 1.0, "tensorflow", 3_924_288, {224: 209_136_704}),
    ("mobilenet_v3_small_minimalistic", 1.0, "tensorflow", 2_044_736, {224: 52_288_448}),
    ("mnasnet_a1", 0.5, "timm", 2_082_006, {224: 103_162_992}),
    ("mnasnet_a1", 0.75, "timm", 2_912_278, {224: 223_448_480}),
    ("mnasnet_a1", 1.0, "timm", 3_887_038, {224: 311_579_072}),
    ("mnasnet_a1", 1.4, "timm", 6_105_992, {224: 586_317_952}),
    ("mnasnet_b1", 0.5, "torchvision", 2_218_512, {224: 104_455_968}),
    ("mnasnet_b1", 0.75, "torchvision", 3_170_208, {224: 215_493_104}),
    ("mnasnet_b1", 1.0, "torchvision", 4_383_312, {224: 314_415_872}),
    ("mnasnet_b1", 1.3, "torchvision", 6_282_256, {224: 526_362_432}),
    ("mnasnet_small", 1.0, "timm", 2_030_264, {224: 68_339_184}),
    ("mobilenet_v4_conv_small", 1.0, "timm", 3_774_024, {224: 186_005_568, 256: 242_178_048}),
    ("mobilenet_v4_conv_small", 0.5, "timm", 2_238_952, {224: 64_741_408}),
    ("mobilenet_v4_conv_small", 0.35, "timm", 1_905_384, {224: 47_723_040}),
    ("mobilenet_v4_conv_medium", 1.0, "timm", 9_715_512, {224: 827_649_984, 256: 1_080_244_224}),
    ("mobilenet_v4_conv_large", 1.0, "timm", 32_590_864, {256: 2_835_269_632, 384: 6_376_220_672}),
    ("mobilenet_v4_hybrid_medium", 1.0, "timm", 11_074_648,
     {224: 941_725_120, 256: 1_229_240_320, 384: 2_762_654_720}),
    ("mobilenet_v4_hybrid_large", 1.0, "timm", 37_764_624, {384: 7_372_138_496}),
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


def test_v4_sizes_are_those_of_the_paper():
    """Its table counts weights of convolutions and linear layers in units of 2^20, at Conv-S in millions."""
    listed = {"conv_medium": 9.20, "hybrid_medium": 10.48, "conv_large": 30.94, "hybrid_large": 35.85}
    for name, units in listed.items():
        ops = [op for _, op in cost_per_op(find(f"mobilenet_v4_{name}"))]
        assert round(sum(op.weights for op in ops) / 2**20, 2) == units


def test_what_the_redesign_of_the_costly_layers_saves():
    """V3, section 5.1: 30 M for the last stage and 10 M for the stem, both rounded to ten millions."""
    redesigned, stem, stage = (
        cost(find("mobilenet_v3_large", **options)).macs
        for options in ({}, {"stem": 32}, {"last_stage": "original"})
    )
    assert round((stage - redesigned) / M, -1) == 30
    assert round((stem - redesigned) / M, -1) == 10
    both = find("mobilenet_v3_large", stem=32, last_stage="original")
    assert cost(both).macs - redesigned == (stem - redesigned) + (stage - redesigned)
    assert (both.blocks[0].out, both.blocks[1].hidden, both.blocks[1].out) == (32, 32, 16)
    assert (both.blocks[-2].hidden, both.blocks[-2].out, both.blocks[-1].out) == (960, 320, 1280)
    assert both.head.hidden == 0


# tensorflow/tpu efficientnet/lite: parameters in M, and MACs in M at the side each is published for
LITE = [(0, 224, 4.7, 407), (1, 240, 5.4, 631), (2, 260, 6.1, 899), (3, 280, 8.2, 1440), (4, 300, 13.0, 2640)]


@pytest.mark.parametrize(("index", "side", "params", "macs"), LITE)
def test_the_lite_networks_have_the_parameters_of_their_table(index, side, params, macs):
    name = f"efficientnet_lite{index}"
    counted = cost(find(name, resolution=side, dialect="tensorflow"))
    assert round(counted.params / M, 1) == params
    assert SERIES[name].resolution == side
    assert 0.9 < counted.macs / M / macs < 1  # theirs counts norms and activations too


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
        ("mobilenet_v2", "timm", 0.1), ("mnasnet_b1", "torchvision", 0.0003),
        ("mnasnet_a1", "tensorflow", 0.01), ("efficientnet_lite0", "tensorflow", 0.01),
        ("mobilenet_v4_conv_small", "tensorflow", 0.05), ("mobilenet_v4_hybrid_large", "tensorflow", 0.003),
    ],
)  # fmt: skip
def test_norm_momentum_of_each_reading(family, dialect, momentum):
    assert find(family, dialect=dialect).dialect.norm_momentum == momentum


@pytest.mark.parametrize(
    ("family", "dialect", "rate"),
    [
        ("mobilenet_v1", "tensorflow", 0.001), ("mobilenet_v1", "keras", 0.001),
        ("mobilenet_v2", "keras", 0.0), ("mobilenet_v2", "tensorflow", 0.2),
        ("mobilenet_v3_large", "keras", 0.2), ("mnasnet_a1", "tensorflow", 0.2),
        ("mnasnet_small", "tensorflow", 0.0), ("mobilenet_v4_conv_small", "timm", 0.3),
        ("mobilenet_v4_conv_medium", "timm", 0.2), ("efficientnet_lite1", "tensorflow", 0.2),
        ("efficientnet_lite2", "tensorflow", 0.3),
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


@pytest.mark.parametrize(
    ("family", "dialect", "eps"),
    [
        ("mnasnet_b1", "torchvision", 1e-5), ("mnasnet_a1", "timm", 1e-5), ("mnasnet_a1", "tensorflow", 1e-3),
        ("mobilenet_v4_conv_small", "tensorflow", 1e-6), ("mobilenet_v4_conv_medium", "tensorflow", 1e-3),
        ("mobilenet_v4_conv_small", "timm", 1e-5), ("efficientnet_lite3", "tensorflow", 1e-3),
        ("mobilenetv3_rw", None, 1e-3), ("mobilenet_v1", "keras", 1e-3), ("mobilenet_v1", "tensorflow", 1e-3),
    ],
)  # fmt: skip
def test_norm_epsilon_of_each_reading(family, dialect, eps):
    assert find(family, dialect=dialect).dialect.norm_eps == eps


def test_squeeze_and_excitation_of_mnasnet_is_a_quarter_of_the_blocks_input_with_a_sigmoid():
    blocks = [b for b in find("mnasnet_a1").blocks if isinstance(b, Inverted) and b.squeeze]
    assert [b.squeeze for b in blocks] == [6, 10, 10, 20, 28, 28, 40, 40]
    assert {b.gate for b in blocks} == {"sigmoid"}
    assert {b.gate for b in find("mobilenet_v3_small").blocks if isinstance(b, Inverted)} == {"hardsigmoid"}


@pytest.mark.parametrize("size", ["large", "small"])
def test_minimalistic_networks_keep_the_widths_and_lose_the_rest(size):
    full, plain = find(f"mobilenet_v3_{size}"), find(f"mobilenet_v3_{size}_minimalistic")
    for ours, theirs in zip(plain.blocks, full.blocks, strict=True):
        assert (ours.out, ours.stride, ours.activation) == (theirs.out, theirs.stride, "relu")
        if isinstance(ours, Inverted):
            assert (ours.hidden, ours.kernel, ours.squeeze) == (theirs.hidden, 3, 0)
    assert (plain.head.hidden, plain.head.activation) == (full.head.hidden, "relu")


@pytest.mark.parametrize(
    ("family", "where", "adds"),
    [("mnasnet_a1", 1, False), ("mnasnet_b1", 1, False), ("mnasnet_small", 1, True),
     ("mobilenet_v3_large", 1, True), ("mobilenetv3_rw", 1, False)],
)  # fmt: skip
def test_which_first_blocks_add_their_input(family, where, adds):
    assert find(family).blocks[where].residual is adds


def test_depth_is_rounded_up_by_stage():
    assert repeats_at((2,), 1.2) == (3,)
    assert repeats_at((1, 1), 1.2) == (1, 2)
    assert repeats_at((1, 1, 2), 1.2) == (1, 2, 2)
    assert repeats_at((3, 2), 1.0) == (3, 2)
    deep = find("mobilenetv2_120d")
    assert (deep.blocks[0].out, deep.blocks[-1].out) == (32, 1280)
    assert len(deep.blocks) == 1 + 1 + 3 + 5 + 6 + 5 + 5 + 1 + 1


def test_the_stem_of_v4_is_fixed_below_width_one_and_the_head_by_timm():
    widths = {
        (width, dialect): (arch.blocks[0].out, arch.head.hidden)
        for width in (0.5, 1.5)
        for dialect in ("timm", "tensorflow")
        for arch in [find("mobilenet_v4_conv_small", width=width, dialect=dialect)]
    }
    assert widths == {
        (0.5, "timm"): (32, 1280), (0.5, "tensorflow"): (32, 1280),
        (1.5, "timm"): (48, 1280), (1.5, "tensorflow"): (48, 1920),
    }  # fmt: skip


def test_the_last_layer_of_mnasnet_and_lite_is_never_scaled():
    for family in ("mnasnet_a1", "mnasnet_b1", "mnasnet_small", "efficientnet_lite0"):
        assert find(family, width=1.4).blocks[-1].out == find(family, width=0.5).blocks[-1].out == 1280


def test_what_v4_is_made_of():
    kinds = {
        name: tuple(sum(isinstance(b, kind) for b in find(f"mobilenet_v4_{name}").blocks)
                    for kind in (Fused, Universal, Attention))
        for name in ("conv_small", "conv_medium", "conv_large", "hybrid_medium", "hybrid_large")
    }  # fmt: skip
    assert kinds == {
        "conv_small": (0, 12, 0), "conv_medium": (1, 21, 0), "conv_large": (1, 26, 0),
        "hybrid_medium": (1, 22, 8), "hybrid_large": (1, 27, 8),
    }  # fmt: skip
    hybrid = find("mobilenet_v4_hybrid_large").blocks
    assert {b.activation for b in hybrid if not isinstance(b, Attention)} == {"gelu"}
    assert {(b.heads, b.key, b.shrink) for b in hybrid if isinstance(b, Attention)} == {
        (8, 48, 2),
        (8, 64, 1),
    }


@pytest.mark.parametrize("width", [0.1, 0.25, 0.6, 1.1, 2.0])
def test_every_family_can_be_made_at_any_width_in_every_dialect(width):
    for family in FAMILIES:
        for dialect in DIALECTS:
            assert cost(find(family, width=width, dialect=dialect)).macs > 0
