"""A folder with one append-only file of JSON lines a run: the record, and the spool of everything else."""

from ._claim import ENDED, Claim, claim, who_holds
from ._entry import RunEntry
from ._folder import JSONLines
from ._index import find, runs
from ._line import decode
from ._reading import documents

__all__ = [
    "ENDED",
    "Claim",
    "JSONLines",
    "RunEntry",
    "claim",
    "decode",
    "documents",
    "find",
    "runs",
    "who_holds",
]
