"""Maps where one phase ends and another begins, with as few points as it can.

``skysteer run agents/phase_mapper.py`` runs it on a simulated wafer and draws
``phase_map.png``. To deploy it, put your devices into `main`.
"""

import matplotlib.pyplot as plt
import numpy as np

from skysteer import Axis, RunEngine, Space, adaptive_scan
from skysteer.recommenders.library import LibraryRecommender
from skysteer.testing import SimulatedWafer

MAX_POINTS = 100
"""Points of the map."""
POSITIONS = 61
"""On each axis, from which the points are chosen."""
RECOMMENDER = "library"
"""Who chooses: "library", ours, or "gpcam" (needs the package gpcam)."""
PICTURE = "phase_map.png"
"""File of the picture, or "" for none."""
SEED = 0
"""Of the simulated noise and the recommender."""


def mapper(space, objective):
    """The recommender that was chosen."""
    if RECOMMENDER == "gpcam":
        from skysteer.recommenders.gpcam import GpCAM

        return GpCAM(space, map=objective, acquisition="gradient", seed=SEED)
    # 0.5 is halfway between the two phases.
    return LibraryRecommender.of_grid(space, POSITIONS, edges=objective, level=0.5, seed=SEED)


def nearest(measured, values, places):
    """What the nearest measured point says, at each place."""
    distances = ((places[:, None] - measured[None]) ** 2).sum(axis=2)
    return values[distances.argmin(axis=1)]


def draw(measured, right, places, map_, truth):
    """The map beside the truth, with the points."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
    side = round(len(places) ** 0.5)
    for ax, values, title in ((axes[0], map_, f"{len(measured)} points"), (axes[1], truth, "the truth")):
        ax.imshow(
            values.reshape(side, side).T, origin="lower", extent=(-5, 5, -5, 5), cmap="coolwarm", alpha=0.6, vmin=0, vmax=1
        )
        ax.set(title=title, xlabel="x (mm)")
    axes[0].set_ylabel("y (mm)")
    axes[0].scatter(*measured.T, c=right, cmap="coolwarm", edgecolors="black", linewidths=0.6, s=18, vmin=0, vmax=1)
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)


def main():
    events = []
    with RunEngine() as RE:
        wafer = SimulatedWafer(RE, seed=SEED)
        space = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
        RE.subscribe(lambda _, doc: events.append(doc["data"]), "event")
        key = f"{wafer.xrd.name}-ratio"
        scan = adaptive_scan(
            [wafer.xrd], [wafer.x, wafer.y], mapper(space, key), objectives=[key], max_points=MAX_POINTS
        )
        result = RE(scan).result().plan_result
    measured = np.array([[event["x"], event["y"]] for event in events])
    right = np.array([event[key] > 0.5 for event in events])
    line = np.linspace(-5, 5, 101)
    places = np.array([(x, y) for x in line for y in line])
    truth = np.array([wafer.true_phases.phase(x, y) == 1 for x, y in places])
    map_ = nearest(measured, right, places)
    side = round(MAX_POINTS**0.5)
    even = np.array([(x, y) for x in (np.arange(side) + 0.5) / side for y in (np.arange(side) + 0.5) / side]) * 10 - 5
    even_map = nearest(even, np.array([wafer.true_phases.phase(x, y) == 1 for x, y in even]), places)
    print(f"{result.measured} points: {result.reason}")
    print(f"wrong phase on {np.mean(map_ != truth):.2%} of the map; with {len(even)} even points {np.mean(even_map != truth):.2%}")
    if PICTURE:
        draw(measured, right, places, map_, truth)
        print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
