from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_command_line_is_up_to_date():
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert page == generate.cli_page(), "docs/cli.md is old; run make docs"
