"""The layouts that annotations come in, told apart by what lies there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mobilenets.data.listing import LayoutError, Listing, refuse_other

Drawn = TypeVar("Drawn")


class Layout(Protocol[Drawn]):
    """A module that knows one layout."""

    def found(self, source: Path, /) -> bool:
        """Whether a source is of this layout."""

    def read(self, source: Path, /) -> Listing[Drawn]:
        """The listing. Raises LayoutError, OSError."""


@dataclass(frozen=True)
class Layouts(Generic[Drawn]):
    """The layouts of `things` by name, and in words what is `wanted`."""

    things: str
    wanted: str
    known: Mapping[str, Layout[Drawn]]

    def name(self, source: Path) -> str | None:
        """The name of a source's layout, or None where it is none of them.

        Raises LayoutError when it is ambiguous.
        """
        return next((name for name, layout in self.known.items() if layout.found(source)), None)

    def read(self, source: Path) -> Listing[Drawn]:
        """The images of a source and what is annotated on them.

        Raises DataError when `source` is missing, LayoutError when its layout does not serve.
        """
        try:
            if source.exists() and (name := self.name(source)):
                return self.known[name].read(source)
        except OSError as error:
            raise LayoutError(f"{error.filename} cannot be read: {error.strerror}", "check it") from error
        refuse_other(source, self.wanted)
        raise LayoutError(f"{source} holds no {self.things}", f"give {self.wanted}")
