"""Ends a count when the signal to noise is good enough, sample by sample.

``python agents/signal_to_noise.py`` runs it on a simulated beamline. To deploy
it, put your devices and samples into `main`.
"""

from bluesky.plan_stubs import mv
from bluesky.plans import count

from skysteer import RunEngine, watch
from skysteer.testing import SimulatedBeamline
from skysteer.watchdog.judges import SignalToNoise

SIGNAL = "det"
"""Data key that is judged."""
ENOUGH = 100.0
"""Signal to noise that is wanted (mean over its standard error, from counting statistics)."""
BACKGROUND = 20.0
"""Counts a point without a sample."""
POINTS = 300
"""Points at the most: the fixed length."""
EXPOSURE = 0.01
"""Seconds a point."""
SAMPLES = {"bright": 0.0, "fainter": 0.5, "faint": 0.9, "empty": 4.0}
"""Name to distance from the brightest spot, in mm."""


def sample(name, beam):
    """Drive to a sample and count there, until it is good enough."""
    yield from mv(beam.x, max(-5.0, min(5.0, beam.true_peak.x + SAMPLES[name])), beam.y, beam.true_peak.y)
    judge = SignalToNoise(SIGNAL, ENOUGH, noise="poisson", background=BACKGROUND)
    plan = count([beam.det], num=POINTS, md={"sample": name})
    yield from watch(plan, {"good enough": judge}, objectives=[SIGNAL])


def samples(beam):
    """One after the other."""
    for name in SAMPLES:
        yield from sample(name, beam)


def main():
    stops = []
    with RunEngine() as RE:
        beam = SimulatedBeamline(RE, dead_time=EXPOSURE)
        RE.subscribe(lambda _, doc: stops.append(doc), "stop")
        RE(samples(beam)).result()
    measured = [stop["num_events"]["primary"] for stop in stops]
    for name, stop, points in zip(SAMPLES, stops, measured, strict=True):
        print(f"{name}: {points} of {POINTS} points, {stop['exit_status']}, {stop['reason'] or 'never good enough'}")
    saved = sum(POINTS - points for points in measured)
    print(f"saved {saved} of {POINTS * len(stops)} points, {saved * EXPOSURE:.1f} s of exposure")


if __name__ == "__main__":
    main()
