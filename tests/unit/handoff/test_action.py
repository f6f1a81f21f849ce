"""`Action`: a name with a latch."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from skysteer.handoff import Action, SRLatch


def test_its_latch_is_made_on_first_use_without_a_running_loop():
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    action = Action("enough", "End this measurement.")
    assert list(action.event_map) == ["enough"]
    latch = action.event_map["enough"]
    assert isinstance(latch, SRLatch)
    assert action.latch is latch is action.event_map["enough"]


def test_two_threads_that_use_it_first_get_the_same_latch():
    for _ in range(50):
        action, together = Action("enough"), threading.Barrier(4)

        def first_use(action=action, together=together):
            together.wait(30)
            return action.latch

        with ThreadPoolExecutor(4) as pool:
            latches = [future.result(30) for future in [pool.submit(first_use) for _ in range(4)]]
        assert all(latch is latches[0] for latch in latches)


def test_two_actions_of_one_name_are_two():
    assert Action("enough") != Action("enough")
    assert Action("enough").latch is not Action("enough").latch


def test_a_button_has_two_different_words_for_its_states():
    assert Action("hold", togglable=True, toggle_states=("Held", "Running")).toggle_states == ("Held", "Running")
    assert (Action("hold").togglable, Action("hold").toggle_states) == (False, ("On", "Off"))
    with pytest.raises(
        ValueError, match=r"action 'hold': toggle_states must be two different words, found \('On', 'On'\)"
    ):
        Action("hold", toggle_states=("On", "On"))
    with pytest.raises(ValueError, match="an action needs a name"):
        Action("")
