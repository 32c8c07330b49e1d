"""Random networks and random JSON for the property tests of `arch`."""

from typing import get_args

from hypothesis import strategies as st

from mobilenets.arch import (
    Arch,
    Attention,
    Classifier,
    Dialect,
    Fused,
    Inverted,
    Universal,
)  # fmt: skip
from mobilenets.arch.spec import (
    LRASPP,
    Activation,
    Antialias,
    Block,
    DeepLab,
    Embedder,
    Gate,
    HiddenKind,
    Padding,
    Scoring,
    Shift,
    SSDLite,
)
from mobilenets.base.errors import ArchError

activations = st.sampled_from(get_args(Activation))
antialiases = st.sampled_from(get_args(Antialias))
kernels = st.sampled_from((1, 3, 5, 7))
strides = st.sampled_from((1, 2))
counts = st.integers(1, 48)
dilations = st.integers(1, 3)
BLOCKS = get_args(Block)


@st.composite
def blocks(draw, channels):
    """Any block that fits an input of `channels`."""
    shared = {"stride": draw(strides), "activation": draw(activations)}
    # now and then the output equals the input, so that residuals happen
    out = draw(st.one_of(st.just(channels), counts))
    kind = draw(st.sampled_from(BLOCKS))
    match kind.__name__:
        case "Conv":
            return kind(draw(kernels), out, **shared)
        case "Separable":
            return kind(draw(kernels), out, dilation=draw(dilations), **shared)
        case "Inverted":
            return draw(inverted(channels, out, shared))
        case "Fused":
            groups = draw(st.sampled_from([n for n in (1, 1, 2, 3) if channels % n == 0]))
            hidden = groups * draw(st.integers(1, 16))
            extra = {"residual": draw(st.booleans()), "antialias": draw(antialiases)}
            extra["dilation"] = draw(dilations)
            return Fused(draw(kernels), hidden, out, groups=groups, **shared, **extra)
        case "Universal":
            start, kernel = draw(st.sampled_from((0, 3, 5))), draw(st.sampled_from((0, 3, 5)))
            stride = shared.pop("stride") if start or kernel else 1
            extra = {"gain": draw(st.booleans()), "antialias": draw(antialiases)}
            extra |= {"dilation": draw(dilations), "residual": draw(st.booleans())}
            return Universal(start, kernel, draw(counts), out, stride, shared["activation"], **extra)
        case "Attention":
            heads, key, value = (draw(st.integers(1, 4)) for _ in range(3))
            extra = {"gain": draw(st.booleans()), "residual": draw(st.booleans())}
            return Attention(out, heads, key, value, draw(strides), draw(kernels), **extra)


@st.composite
def inverted(draw, channels, out, shared):
    """An inverted residual, with or without expansion and squeeze-and-excitation."""
    expand = draw(st.booleans())
    return Inverted(
        draw(kernels),
        hidden=draw(counts) if expand else channels,
        out=out,
        squeeze=draw(st.integers(0, 12)),
        expand=expand,
        gate=draw(st.sampled_from(get_args(Gate))),
        squeeze_activation=draw(activations),
        residual=draw(st.booleans()),
        dilation=draw(dilations),
        **shared,
    )


dialects = st.builds(
    Dialect,
    name=st.text(max_size=12),
    norm_eps=st.floats(1e-8, 0.5),
    norm_momentum=st.floats(1e-4, 1.0),
    padding=st.sampled_from(get_args(Padding)),
    hidden=st.sampled_from(get_args(HiddenKind)),
)
classifiers = st.builds(
    Classifier,
    classes=counts,
    hidden=st.integers(0, 48),
    activation=activations,
    dropout=st.floats(0, 0.99),
    shift=st.sampled_from(get_args(Shift)),
)


shares = st.floats(0.01, 1.0)
sizes = st.lists(st.tuples(shares, shares), min_size=1, max_size=3).map(tuple)


@st.composite
def heads(draw, made):
    """Any head that fits blocks `made`, a classifier as often as not."""
    kind = draw(st.sampled_from((Classifier, Classifier, Classifier, Embedder, SSDLite, LRASPP, DeepLab)))
    last = f"blocks.{len(made) - 1}"
    fine = draw(st.sampled_from([tap for index, block in enumerate(made) for tap in taps(index, block)]))
    match kind.__name__:
        case "Classifier":
            return draw(classifiers)
        case "Embedder":
            return Embedder(draw(counts), draw(st.floats(0, 0.99)))
        case "SSDLite":
            extras = tuple(draw(st.lists(st.integers(2, 24), max_size=3)))
            anchors = tuple(draw(sizes) for _ in range(2 + len(extras)))
            scoring = draw(st.sampled_from(get_args(Scoring)))
            return SSDLite(draw(counts), (fine, last), extras, anchors, scoring)
        case "LRASPP":
            return LRASPP(draw(counts), (fine, last), draw(counts))
        case "DeepLab":
            rates = tuple(draw(st.lists(st.integers(1, 12), max_size=3)))
            extra = {"refine": draw(st.booleans()), "dropout": draw(st.floats(0, 0.9))}
            return DeepLab(draw(counts), (last,), draw(counts), rates, **extra)


def taps(index, block):
    """What a head can read of a block."""
    yield f"blocks.{index}"
    if isinstance(block, Universal) or (isinstance(block, Inverted) and block.expand):
        yield f"blocks.{index}.expand"


@st.composite
def archs(draw, most_blocks=7):
    """Any network of up to `most_blocks` blocks."""
    channels, made = 3, []
    for _ in range(draw(st.integers(1, most_blocks))):
        made.append(draw(blocks(channels)))
        channels = made[-1].out
    return Arch(
        draw(st.text(max_size=12)), draw(st.integers(1, 80)), tuple(made), draw(heads(made)), draw(dialects)
    )


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 8), st.floats(), st.text(max_size=8),
    st.sampled_from(("conv", "inverted", "relu", "same", "linear", 10**30, 2**63, "\ud800", "a\nb")),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=6), inner, max_size=4),
    ),
    max_leaves=12,
)


def attempt(read, *given):
    """What `read` makes of `given`, or None where it raises an ArchError of one line; others pass through."""
    try:
        return read(*given)
    except ArchError as error:
        message = str(error)
    assert "\n" not in message
    return None


def places(document, path=()):
    """The path of every value inside a JSON document."""
    inside = document.items() if isinstance(document, dict) else ()
    inside = enumerate(document) if isinstance(document, list) else inside
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(document, path):
    """The container of the last step of `path`."""
    for step in path[:-1]:
        document = document[step]
    return document


@st.composite
def damaged(draw, document):
    """`document` (which is changed) after one to three values were replaced, deleted or added."""
    for _ in range(draw(st.integers(1, 3))):
        here = list(places(document))
        if not here:
            break
        path = draw(st.sampled_from(here))
        container, key = at(document, path), path[-1]
        match draw(st.sampled_from(("replace", "delete", "add"))):
            case "replace":
                container[key] = draw(anything)
            case "delete":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(st.text(max_size=6))] = draw(anything)
            case _:
                container.append(draw(anything)) if isinstance(container, list) else None
    return document
