"""A Dask cluster that is nobody's child: run as a file; prints its address and pid, and ends with its stdin."""

import os
import sys


def main(workers: int) -> None:
    import dask
    from distributed import LocalCluster

    # Workers are forked from one process that has imported what they need: one that was killed is back in a moment.
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        print(cluster.scheduler_address, os.getpid(), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    if os.fork() == 0:
        main(int(sys.argv[1]))
