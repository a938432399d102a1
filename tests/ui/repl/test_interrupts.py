"""A terminal that is closed, whatever the program is doing."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from automl_agent.errors import HangUp
from automl_agent.ui.repl.interrupts import obeying_hang_up


@pytest.fixture(autouse=True)
def minds_a_closed_terminal() -> Iterator[None]:
    """Tests that run in the background, as with nohup, ignore SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def within_a_callback() -> None:
    """As the prompt redraws itself, for example."""

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(hang_up)
        await asyncio.sleep(10)

    asyncio.run(wait())


def within_a_task() -> None:
    async def act() -> None:
        hang_up()

    asyncio.run(act())


@pytest.mark.parametrize("act", [hang_up, within_a_callback, within_a_task])
def test_a_closed_terminal_ends_whatever_runs(act: Callable[[], None]) -> None:
    left: list[bool] = []
    with pytest.raises(HangUp) as caught, obeying_hang_up(lambda: left.append(True)):
        act()
    assert caught.value.code == 129
    assert left == [True]


def test_the_cleaning_up_is_not_broken_off_by_a_second_one() -> None:
    cleaned: list[bool] = []

    def clean_up() -> None:
        hang_up()
        cleaned.append(True)

    with ExitStack() as stack:
        stack.enter_context(pytest.raises(HangUp))
        stack.enter_context(obeying_hang_up(lambda: None))
        stack.callback(clean_up)
        hang_up()
    assert cleaned == [True]


def test_whoever_ignores_it_goes_on() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with obeying_hang_up(lambda: pytest.fail("nothing was left")):
        hang_up()
