"""The only place where threads meet: latches, actions, a mailbox and the queue of suggestions."""

from ._action import Action
from ._latch import SRLatch, Transition
from ._mailbox import Mailbox
from ._queue import Answer, Dropped, Launch, Respondent, SuggestionQueue, Ticket

__all__ = [
    "Action",
    "Answer",
    "Dropped",
    "Launch",
    "Mailbox",
    "Respondent",
    "SRLatch",
    "SuggestionQueue",
    "Ticket",
    "Transition",
]
