"""Native libraries write to the terminal past Python; here they do not."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, get_ident

# stdout and stderr are the whole process's: the first thread to come mutes them, the last to leave restores
ENTERING = Lock()
INSIDE: list[int] = []
MUTED = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Send what anything in the block writes to stdout and stderr, native code included, to nowhere.

    Exceptions pass, so nothing that matters is lost. The whole process is muted, other threads too.
    """
    with ENTERING:
        if not INSIDE:
            MUTED.enter_context(_muted())
        INSIDE.append(get_ident())
    try:
        yield
    finally:
        with ENTERING:
            INSIDE.remove(get_ident())
            if not INSIDE:
                MUTED.close()


@contextmanager
def _muted() -> Iterator[None]:
    """Have stdout, stderr and warnings go nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number, _ in kept:
            os.dup2(nowhere, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
