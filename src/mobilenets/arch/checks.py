"""What the fields of a description may be; errors name the field and what was given."""

from mobilenets.base.errors import ArchError, shown

MOST = 1_000_000  # of anything counted here; a description that asks for more is a mistake or an attack


def geometry(kernel: int, stride: int, **channels: int) -> None:
    """Raise ArchError for a kernel, stride or channel count that cannot be."""
    positive(**channels)
    odd("kernel", kernel)
    if type(stride) is not int or stride not in (1, 2):
        raise ArchError(f"stride must be 1 or 2, got {shown(stride)}")


def odd(name: str, kernel: int) -> None:
    """Raise ArchError for a kernel without a middle."""
    if type(kernel) is not int or not 1 <= kernel <= MOST or kernel % 2 == 0:
        raise ArchError(f"{name} must be an odd number of at least 1, got {shown(kernel)}")


def positive(**numbers: int) -> None:
    """Raise ArchError unless every number is an integer from 1 to MOST."""
    for name, number in numbers.items():
        if type(number) is not int or not 1 <= number <= MOST:
            raise ArchError(f"{name} must be an integer from 1 to {MOST}, got {shown(number)}")


def count(**numbers: int) -> None:
    """Raise ArchError unless every number is 0 (absent) or a channel count."""
    for name, number in numbers.items():
        if type(number) is not int or not 0 <= number <= MOST:
            raise ArchError(f"{name} must be 0 or a channel count up to {MOST}, got {shown(number)}")


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ArchError unless `value` is known."""
    if value not in known:
        raise ArchError(f"{name} must be one of {', '.join(known)}, got {shown(value)}")
