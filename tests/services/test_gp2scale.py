"""gpCAM's gp2Scale: the covariance is computed on a Dask cluster of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

from skysteer.model import Axis, Space
from skysteer.recommenders.gpcam import GpCAM

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=tmp_path,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def peak(point):
    return {**point, "det": 100 * np.exp(-((point["x"] - 1) ** 2) - (point["y"] + 1) ** 2)}


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of gpCAM, about its sparse solver
def test_it_suggests_and_predicts_with_the_covariance_on_the_cluster(client: Client) -> None:
    recommender = GpCAM(
        SPACE, maximize="det", gp2scale=True, dask_client=client, block=8, training={12: "bo"}, initial=12, seed=1
    )
    rng = np.random.default_rng(0)
    places = [{"x": 1.0, "y": -1.0}, *({"x": float(x), "y": float(y)} for x, y in rng.uniform(-5, 5, (13, 2)))]
    recommender.ingest([peak(place) for place in places])
    (point,) = recommender.suggest()
    assert SPACE.problems(point) == []
    (again,) = recommender.suggest()
    assert again == point
    mean, sd = recommender.predict(places)
    assert np.argmax(mean) == 0
    assert np.isfinite(sd).all()
    assert recommender.report()["fallbacks"] == 0
