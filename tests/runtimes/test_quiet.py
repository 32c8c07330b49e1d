"""Native output goes nowhere for a while, and comes back whichever thread leaves last."""

import os
from threading import Event, Thread

from mobilenets.runtimes.quiet import quiet


def test_what_is_written_meanwhile_goes_nowhere(capfd):
    os.write(1, b"before ")
    with quiet():
        os.write(1, b"meanwhile ")
        os.write(2, b"meanwhile ")
    os.write(1, b"after")
    assert capfd.readouterr() == ("before after", "")


def test_threads_that_leave_in_the_order_they_came(capfd):
    inside, first_left = Event(), Event()

    def other():
        with quiet():
            inside.set()
            assert first_left.wait(10)

    thread = Thread(target=other)
    with quiet():
        thread.start()
        assert inside.wait(10)
    os.write(1, b"still muted ")
    first_left.set()
    thread.join()
    os.write(1, b"after")
    assert capfd.readouterr().out == "after"
