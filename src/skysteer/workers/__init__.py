"""Where recommenders and judges compute: beside the engine, in a thread or a process. Free of Bluesky."""

from ._desk import Desk, WorkerKind
from ._process import ProcessWorker
from ._worker import ThreadWorker, Worker

__all__ = ["Desk", "ProcessWorker", "ThreadWorker", "Worker", "WorkerKind"]
