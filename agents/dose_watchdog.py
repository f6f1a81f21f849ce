"""Aborts a measurement at a dose limit, and holds it while the beam is down.

``python agents/dose_watchdog.py`` runs it on a simulated beamline whose ring
loses its beam for a second. To deploy it, put your devices into `main`.
"""

import asyncio

from bluesky.plans import count
from bluesky.preprocessors import monitor_during_wrapper
from ophyd_async.core import soft_signal_r_and_setter

from skysteer import RunEngine, Steering, Verdict, Watchdog, steered
from skysteer.documents import Fields
from skysteer.testing import SimulatedBeamline
from skysteer.watchdog.judges import BeamLost, DoseLimit

DOSE_LIMIT = 20.0
"""In kGy; abort when the sample has had it."""
DOSE_A_POINT = 0.2
"""In kGy, at full ring current."""
LOST, BACK, FULL = 100.0, 250.0, 300.0
"""Ring current in mA: held under the first, released from the second on, and what is full."""
POINTS = 500
"""Points of the measurement, unless it is ended."""
EXPOSURE = 0.01
"""Seconds a point."""
OUTAGE = (40, 1.0)
"""The simulated beam is lost after so many points, for so many seconds."""


def watched(detectors, ring_current, dose, steering):
    """Count, with the two watchdogs."""
    # The dose is read with every point; the ring current is monitored, which goes on while the plan is held.
    stream = f"{ring_current.name}_monitor"
    limit = DoseLimit(dose.name, DOSE_LIMIT, verdict=Verdict.ABORT, units="kGy")
    beam = BeamLost(ring_current.name, LOST, BACK, units="mA")
    with (
        Watchdog(limit, steering, Fields({}, {dose.name: dose.name}), on_error="abort", name="dose") as dose_dog,
        Watchdog(beam, steering, Fields({}, {ring_current.name: ring_current.name}, stream), name="beam") as beam_dog,
    ):
        plan = monitor_during_wrapper(count([*detectors, dose], num=POINTS), [ring_current])
        yield from steered(plan, steering, watch=[dose_dog, beam_dog])


def main():
    steering, events, stops = Steering(), [], []
    ring_current, set_current = soft_signal_r_and_setter(float, FULL, units="mA", name="ring_current")
    dose, set_dose = soft_signal_r_and_setter(float, DOSE_A_POINT, units="kGy", name="dose")

    def beam(current):
        set_current(current)
        set_dose(DOSE_A_POINT * current / FULL)

    def simulate(name, doc):
        if "dose" in doc["data"]:
            events.append(doc)
            points, seconds = OUTAGE
            if len(events) == points:
                beam(0.0)
                asyncio.get_running_loop().call_later(seconds, beam, FULL)

    with RunEngine() as RE:
        simulated = SimulatedBeamline(RE, dead_time=EXPOSURE)
        RE.subscribe(simulate, "event")
        RE.subscribe(lambda _, doc: stops.append(doc), "stop")
        RE(watched([simulated.det], ring_current, dose, steering)).result()

    for request in steering.requests:
        if request.accepted:
            print(f"{request.verdict.value}: {request}")
    had = sum(event["data"]["dose"] for event in events)
    dark = sum(event["data"]["dose"] == 0 for event in events)
    print(f"{stops[0]['exit_status']}: {stops[0]['reason']}")
    print(f"{len(events)} of {POINTS} points, {dark} of them without beam; the sample had {had:.1f} kGy")
    print(f"a fixed length would have given it up to {POINTS * DOSE_A_POINT:.0f} kGy")


if __name__ == "__main__":
    main()
