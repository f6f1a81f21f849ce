"""Recommenders beside their peers, in points, time and memory: ``python -m benchmarks.recommenders``.

Ours alone, for any harness that calls ``make(problem, seed)``: `benchmarks.recommenders.ours`.
"""
