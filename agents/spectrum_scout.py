"""Measures a whole run at each sample and goes next where the spectra change.

``skysteer run agents/spectrum_scout.py`` runs it on a simulated wafer with a
few hundred samples. To deploy it, put your devices and samples into `main`.
"""

import numpy as np
from bluesky.plans import count

from skysteer import RunEngine, adaptive_runs
from skysteer.recommenders.spectra import Cluster
from skysteer.testing import SimulatedWafer

SAMPLES = 18
"""In a row, and so many rows of them: the samples on the wafer."""
MAX_RUNS = 60
"""Samples to measure."""
EXPOSURES = 3
"""Patterns that are counted at each sample."""
SEED = 0
"""Of the simulated noise and the recommender."""
RECORD = "skysteer-runs"
"""Folder of the record, from which a scan that was cut off goes on (skysteer resume), or "" for none."""


def spectrum(run):
    """From a whole run (stream to data key to array) to what the recommender is told: the mean pattern."""
    return {"spectrum": np.mean(run["primary"]["xrd-pattern"], axis=0)}


def expose(devices):
    """One run at a sample."""
    return count(devices, EXPOSURES)


def agree(found, truth):
    """Whether the kind of each sample is the phase that most of its kind are."""
    phase_of = [np.bincount(truth[found == kind], minlength=1).argmax() for kind in range(found.max() + 1)]
    return np.array(phase_of)[found] == truth


def main(resume=None):
    with RunEngine() as RE:
        wafer = SimulatedWafer(RE, seed=SEED)
        row = np.linspace(-4.5, 4.5, SAMPLES).tolist()
        samples = [{"x": x, "y": y} for x in row for y in row]
        scout = Cluster(samples, map="spectrum", seed=SEED)
        runs = adaptive_runs(
            [wafer.xrd], [wafer.x, wafer.y], scout, objectives=["spectrum"], reduce=spectrum, measure=expose,
            max_points=MAX_RUNS, record=RECORD or None, resume=resume,
        )  # fmt: skip
        result = RE(runs).result().plan_result
    found, _ = scout.predict(samples)
    truth = np.array([wafer.true_phases.phase(**sample) for sample in samples])
    print(f"{result.measured} runs, of {len(samples)} samples: {result.reason}")
    print(f"{scout.report()['clusters']} kinds of pattern; of each so many samples: {np.bincount(found).tolist()}")
    print(f"{np.mean(agree(found, truth)):.1%} of all samples are given their true phase")


if __name__ == "__main__":
    main()
