"""A Dask cluster that is nobody's child: run as a file; prints its address and pid, and ends with its stdin."""

import os
import select
import sys


def main(workers: int) -> None:
    import dask
    from distributed import LocalCluster

    # Workers are forked from one process that has imported what they need: one that was killed is back in a moment.
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    # A worker that is killed while it starts is given up by its nanny: after this time another one takes its place.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "5s"})
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        print(cluster.scheduler_address, os.getpid(), flush=True)
        while not select.select([sys.stdin], [], [], 1.0)[0]:
            cluster.scale(workers)


if __name__ == "__main__":
    if os.fork() == 0:
        main(int(sys.argv[1]))
