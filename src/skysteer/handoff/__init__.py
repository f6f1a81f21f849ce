"""The only place where threads meet: latches, actions, a mailbox and the queue of suggestions."""

from ._action import Action
from ._latch import SRLatch, Transition
from ._mailbox import Mailbox
from ._queue import Answer, Dropped, SuggestionQueue, Ticket

__all__ = ["Action", "Answer", "Dropped", "Mailbox", "SRLatch", "SuggestionQueue", "Ticket", "Transition"]
