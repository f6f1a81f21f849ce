"""Ours beside the peers, in one run, printed as ratios: ``python -m benchmarks``."""

import os

# Before numpy is imported: with several BLAS threads on few cores everything waits for them.
for _library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
