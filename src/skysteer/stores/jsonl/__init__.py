"""A folder with one append-only file of JSON lines a run: the record, and the spool of everything else."""

from ._claim import ENDED, Claim, claim, who_holds
from ._entry import RunEntry
from ._exact import restored
from ._folder import JSONLines
from ._index import below, find, runs
from ._line import decode
from ._plain import Plain
from ._reading import documents

__all__ = [
    "ENDED",
    "Claim",
    "JSONLines",
    "Plain",
    "RunEntry",
    "below",
    "claim",
    "decode",
    "documents",
    "find",
    "restored",
    "runs",
    "who_holds",
]
