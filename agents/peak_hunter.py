"""Looks for a narrow peak, along one motor or over two, and drives there.

``skysteer run agents/peak_hunter.py`` runs it on a simulated beamline. To
deploy it, put your devices into `main`.
"""

from bluesky.plan_stubs import mv

from skysteer import Axis, RunEngine, Space, adaptive_scan
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import SimulatedBeamline

DIMENSIONS = 2
"""1: along x, through the peak; 2: over x and y."""
MAX_POINTS = 60
"""Points of the search."""
HALF_WIDTH = 5.0
"""In mm: the search reaches so far to both sides of 0."""
WORKER = "thread"
"""Where the recommender computes: "thread" or "process"."""
SEED = 0
"""Of the simulated sample, its noise, and the search."""
RECORD = "skysteer-runs"
"""Folder of the record, from which a scan that was cut off goes on (skysteer resume), or "" for none."""


def hunt(detector, motors, resume=None):
    """Search with counts of a detector, and drive to the best point."""
    space = Space(*(Axis(motor.name, -HALF_WIDTH, HALF_WIDTH, units="mm") for motor in motors))
    hunter = GaussianProcess(space, maximize=detector.name, counts=True, seed=SEED)
    return adaptive_scan(
        [detector], motors, hunter, objectives=[detector.name], max_points=MAX_POINTS, worker=WORKER,
        finally_move="best", record=RECORD or None, resume=resume,
    )  # fmt: skip


def main(resume=None):
    with RunEngine() as RE:
        beam = SimulatedBeamline(RE, seed=SEED)
        motors = [beam.x, beam.y][:DIMENSIONS]
        if DIMENSIONS == 1:
            RE(mv(beam.y, beam.true_peak.y)).result()
        result = RE(hunt(beam.det, motors, resume)).result().plan_result
        found = {motor.name: motor.position for motor in motors}
    true = {name: beam.true_peak.position[name] for name in found}
    print(f"{result.measured} points: {result.reason}")
    print("found: " + ", ".join(f"{name} = {position:.3f} mm" for name, position in found.items()))
    print("true:  " + ", ".join(f"{name} = {position:.3f} mm" for name, position in true.items()))
    there = {**beam.true_peak.position, **found}
    print(f"there it counts {beam.true_peak(**there) / beam.true_peak.height:.0%} of the top")


if __name__ == "__main__":
    main()
