import os
import signal
import threading

import pytest

from mobilenets.training.signals import stop_wish


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_a_wish_and_the_second_passes(number, capsys):
    seen = []
    before = signal.signal(number, lambda *_: seen.append("outside"))
    try:
        with stop_wish() as wish:
            assert not wish()
            os.kill(os.getpid(), number)
            assert wish()
            assert wish.name == signal.Signals(number).name
            assert seen == []
            os.kill(os.getpid(), number)
            assert seen == ["outside"]
        os.kill(os.getpid(), number)
        assert seen == ["outside"] * 2
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err.count("\n") == 1


def test_without_signals_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with stop_wish():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_thread_has_no_signals_and_no_trouble():
    wishes = []

    def work():
        with stop_wish() as wish:
            wishes.append(wish())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert wishes == [False]
