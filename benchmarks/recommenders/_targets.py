"""What is to be beaten: the best of all peers in each cell. No single peer reaches it everywhere.

Measured once, with 10 to 20 seeds: bluesky-adaptive 1.0.0, Ax 1.3.1, Xopt 3.2.2, gpCAM 8.6.1, scikit-learn 1.9.1,
adaptive 1.5.2.
"""

from __future__ import annotations

REGRET: dict[str, tuple[float, float, float]] = {
    "branin": (0.076, 8.1e-05, 3e-05),
    "himmelblau": (0.68, 0.012, 0.00049),
    "hartmann6": (0.91, 0.03, 0.0041),
    "ackley5": (8.4, 4.0, 3.8),
    "branin_noisy": (0.68, 0.054, 0.037),
    "hartmann6_noisy": (0.91, 0.14, 0.072),
}
"""Simple regret after 20, 40 and 60 points."""

BEST: dict[str, tuple[str, str, str]] = {
    "branin": ("ax", "simple_gp", "simple_gp_init5"),
    "himmelblau": ("xopt", "simple_gp_init5", "simple_gp_init5"),
    "hartmann6": ("ax", "ax", "simple_gp_init5"),
    "ackley5": ("ax", "ax", "ax"),
    "branin_noisy": ("ax", "ax", "ax"),
    "hartmann6_noisy": ("ax", "ax", "ax"),
}
"""Who that was."""

WITHIN_TEN_PERCENT = (0.40, 0.65, 0.85)
"""Share of the seeds within 10 % of the top of the peak after 20, 40 and 60 points."""

CPU_MS = 30.0
"""A suggestion, in two to six dimensions, up to 60 points."""

CALLED_BEST = 0.2
"""Regret of the point called best after 60 points of Branin with noise."""

EDGE = {20: 0.025, 40: 0.012, 60: 0.0024, 120: 0.000535}
"""RMSE of a 1-D edge, in edge steps, after so many points: python-adaptive's curvature loss (0.00053 the last)."""

EDGE_NOISY = 0.008
"""RMSE under 1 % noise after 120 points, below which only smoothing gets."""

WRONG_PHASE = {50: 0.012, 100: 0.0025, 200: 0.0009, 400: 0.0002}
"""Share of a 2-D map in the wrong phase: gpCAM's gradient acquisition, at 20 ms a point."""

MAP_MS = 2.0
"""A point of that map."""

LIBRARY_MS = {100: 1.5, 1000: 5.0, 5000: 25.0}
"""Tell and ask with so many of 10,000 candidates measured."""

REFIT_MS = 50.0
"""Of the asking thread, at the most for one question: a refit takes 400 and more, and must not be seen in it."""

LIBRARY_MB = 1024.0
LIBRARY_DIFFERENCE = 1e-8
"""From scikit-learn's posterior: of the mean in standard deviations of the readings, of the deviation relative."""

BATCH_MS = 10.0
"""Eight at a time, 64 measured."""

BATCH_N_EFF = 4.0
"""How many of the eight are worth measuring, at the least."""

HUGE_MB = 4096.0
"""With 100,000 candidates."""
