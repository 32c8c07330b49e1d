"""Which state of this package files are made by, so that kept ones are not taken for those of another."""

import hashlib
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def revision() -> str:
    """A digest of the sources that decide what is in an exported file: of exporters and networks."""
    package = Path(__file__).parents[1]
    sources = sorted(path for room in ("exporters", "nn") for path in (package / room).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
