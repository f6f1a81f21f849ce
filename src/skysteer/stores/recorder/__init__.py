"""From the engine and from whoever decides to the store, off the engine's loop."""

from ._about import fields_about, patience_about, plain, program, space_about
from ._decision_run import DecisionRun
from ._recorder import Recorder

__all__ = [
    "DecisionRun",
    "Recorder",
    "fields_about",
    "patience_about",
    "plain",
    "program",
    "space_about",
]
