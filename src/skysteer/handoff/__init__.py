"""The only place where threads meet: latches, actions, a mailbox and the queue of suggestions."""

from ._action import Action
from ._latch import SRLatch, Transition
from ._listeners import Listeners
from ._listening import Listening
from ._mailbox import Mailbox
from ._queue import Answer, Dropped, Launch, Respondent, SuggestionQueue, Ticket
from ._steering import Request, Steering

__all__ = [
    "Action",
    "Answer",
    "Dropped",
    "Launch",
    "Listeners",
    "Listening",
    "Mailbox",
    "Request",
    "Respondent",
    "SRLatch",
    "Steering",
    "SuggestionQueue",
    "Ticket",
    "Transition",
]
