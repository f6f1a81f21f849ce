"""Maps where one phase ends and another begins, with as few points as it can.

``skysteer run agents/phase_mapper.py`` runs it on a simulated wafer and draws
``phase_map.png``. To deploy it, put your devices into `main`.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from skysteer import Axis, RunEngine, Space, adaptive_scan
from skysteer.recommenders.library import LibraryRecommender
from skysteer.stores import Record
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
RECORD = "skysteer-runs"
"""Folder of the record, from which a scan that was cut off goes on (skysteer resume), or "" for none."""


def mapper(space, objective):
    """The recommender that was chosen."""
    if RECOMMENDER == "gpcam":
        from skysteer.recommenders.gpcam import GpCAM

        # It follows the first boundary it sees: let it see all of them first.
        return GpCAM(
            space, map=objective, acquisition="gradient", noise=0.03, initial=max(MAX_POINTS // 4, 5), seed=SEED
        )
    # 0.5 is halfway between the two phases.
    return LibraryRecommender.of_grid(space, POSITIONS, edges=objective, level=0.5, seed=SEED)


def measured_before(run):
    """What an earlier life of the map measured: data key to value, of each point."""
    record = Record.read(RECORD, run)
    return [point.point() for one in (*record.chain, record) for point in one.observations]


def nearest(measured, values, places):
    """What the nearest measured point says, at each place."""
    distances = ((places[:, None] - measured[None]) ** 2).sum(axis=2)
    return values[distances.argmin(axis=1)]


def draw(measured, right, places, map_, truth, wrong):
    """The map beside the truth, with the points."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), sharey=True, layout="constrained")
    side = round(len(places) ** 0.5)
    x, y = places.T.reshape(2, side, side)
    colors = ListedColormap(["#9ecae1", "#fdae6b"])
    titles = (f"map from {len(measured)} points, wrong on {wrong:.1%}", "the truth")
    for ax, values, title in zip(axes, (map_, truth), titles, strict=True):
        ax.pcolormesh(x, y, values.reshape(side, side), cmap=colors, vmin=0, vmax=1, shading="nearest")
        ax.contour(x, y, truth.reshape(side, side), levels=[0.5], colors="black", linewidths=1.0)
        ax.set(title=title, xlabel="x (mm)", xlim=(-5, 5), ylim=(-5, 5), aspect="equal")
    axes[0].set_ylabel("y (mm)")
    for phase, color, text in ((False, "#08519c", "another phase"), (True, "#a63603", "second phase")):
        points = measured[right == phase]
        axes[0].scatter(*points.T, c=color, edgecolors="white", linewidths=0.5, s=22, label=f"measured: {text}")
    shown = [Patch(color=color, label=text) for color, text in zip(colors.colors, ("another", "second"), strict=True)]
    shown.append(Line2D([], [], color="black", lw=1.0, label="true boundary"))
    points, _ = axes[0].get_legend_handles_labels()
    figure.legend(handles=[*points, *shown], loc="outside lower center", ncols=5, frameon=False, fontsize="small")
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)


def main(resume=None):
    events = [] if resume is None else measured_before(resume)
    with RunEngine() as RE:
        wafer = SimulatedWafer(RE, seed=SEED)
        space = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
        RE.subscribe(lambda _, doc: events.append(doc["data"]), "event")
        key = f"{wafer.xrd.name}-ratio"
        scan = adaptive_scan(
            [wafer.xrd], [wafer.x, wafer.y], mapper(space, key), objectives=[key], max_points=MAX_POINTS,
            record=RECORD or None, resume=resume,
        )  # fmt: skip
        result = RE(scan).result().plan_result
    measured = np.array([[event["x"], event["y"]] for event in events])
    right = np.array([event[key] > 0.5 for event in events])
    line = np.linspace(-5, 5, 101)
    places = np.array([(x, y) for x in line for y in line])
    truth = np.array([wafer.true_phases.phase(x, y) == 1 for x, y in places])
    map_ = nearest(measured, right, places)
    side = round(MAX_POINTS**0.5)
    middles = (np.arange(side) + 0.5) / side * 10 - 5
    even = np.array([(x, y) for x in middles for y in middles])
    even_map = nearest(even, np.array([wafer.true_phases.phase(x, y) == 1 for x, y in even]), places)
    wrong, even_wrong = np.mean(map_ != truth), np.mean(even_map != truth)
    print(f"{result.measured} points: {result.reason}")
    print(f"wrong phase on {wrong:.2%} of the map; with {len(even)} even points {even_wrong:.2%}")
    if PICTURE:
        draw(measured, right, places, map_, truth, wrong)
        print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
