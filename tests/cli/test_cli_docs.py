"""The generated pages are what the code makes of itself now, so that no figure in them can be old."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from mobilenets.arch.zoo import ALIASES, FAMILIES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages():
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    return generate.pages()


def test_every_generated_page_is_up_to_date(pages):
    assert len(pages) >= 5
    for path, text in pages.items():
        assert (DOCS / path).read_text(encoding="utf-8") == text, f"docs/{path} is old; run make docs"


def test_no_page_of_a_family_is_left_over(pages):
    there = {path.relative_to(DOCS) for path in (DOCS / "families").glob("*.md")}
    assert there == {path for path in pages if path.parent.name == "families"}


def test_every_network_has_its_place_in_the_pages(pages):
    """Parameters and MACs of V3-Large and V2 as torchvision publishes them."""
    families = "".join(text for path, text in pages.items() if path.parent.name == "families")
    for name in (*FAMILIES, *ALIASES):
        assert f"`{name}`" in families
    v3, v2 = pages[Path("families/mobilenet_v3.md")], pages[Path("families/mobilenet_v2.md")]
    assert "| 1 | 5,483,032 | 3.83 | 216.59 | 160.19 |" in v3
    assert "| original last stage | 4,983,512 | 250.9 | 34.3 | 30 |" in v3
    assert "| 1 | 3,504,872 |" in v2
    assert "300.77" in v2
    assert "| `mobilenet_v2` | 1 | 96 |" in v2  # a published latency at another side
