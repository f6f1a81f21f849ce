"""Where recommenders and judges compute: in a thread, in a process, or on a Dask cluster. Free of Bluesky.

`skysteer.workers.dask` needs Dask and is imported where a Dask client is given.
"""

from ._desk import DaskClient, Desk, WorkerKind
from ._process import ProcessWorker
from ._worker import ThreadWorker, Worker, one_blas_thread

__all__ = ["DaskClient", "Desk", "ProcessWorker", "ThreadWorker", "Worker", "WorkerKind", "one_blas_thread"]
