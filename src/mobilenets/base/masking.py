"""Passwords, which stand in no message and no file."""

import re

PASSWORDS = (
    re.compile(r"(postgresql[^:\s]*://[^:/@\s]*:).*(?=@)"),  # between name and host
    re.compile(r"(postgresql\S*[?&]password=)[^&\s]*"),
)


def masked(text: str) -> str:
    """A text without the passwords of the databases whose addresses stand in it."""
    for password in PASSWORDS:
        text = password.sub(r"\1***", text)
    return text
