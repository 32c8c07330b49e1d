"""SIGTERM and SIGINT as a wish that the loop grants after its step, with everything saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mobilenets.base.console import say

CAUGHT = (signal.SIGTERM, signal.SIGINT)


class Wish:
    """Which signal asked for an end, if any did."""

    name: str | None = None

    def __call__(self) -> bool:
        """Whether an end was asked for."""
        return self.name is not None


@contextmanager
def stop_wish() -> Iterator[Wish]:
    """Within the block the first SIGTERM or SIGINT only sets the wish; a second one acts as it would outside.

    Outside the main thread, where Python delivers no signals, the wish is never set.
    """
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    # None stands for a handler that was not set from Python: the default is put back in its place.
    before: dict[signal.Signals, Any] = {one: signal.getsignal(one) or signal.SIG_DFL for one in CAUGHT}

    def restore() -> None:
        """Put the former handlers back."""
        for one, handler in before.items():
            signal.signal(one, handler)

    def note(number: int, _: FrameType | None) -> None:
        """Note the wish; whoever cannot wait may send the signal again."""
        restore()
        wish.name = signal.Signals(number).name
        say(f"{wish.name}: saving the training; once more ends it at once")

    for one in CAUGHT:
        signal.signal(one, note)
    try:
        yield wish
    finally:
        restore()
