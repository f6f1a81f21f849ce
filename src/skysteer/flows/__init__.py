"""START HERE: the few lines that join the pieces.

``adaptive_scan`` and ``adaptive_runs`` put an adapter, an advisor and a queue
around a plan::

    RunEngine ──documents──> adapter ──observations──> Advisor ──suggestions──> SuggestionQueue ──> plan ──> RunEngine
                             PerEvent                  (own worker)             (tickets)           scan_from_queue
                             PerRun                                                                 runs_from_queue

and ``watch`` puts watchdogs and a steering around any plan::

    RunEngine ──documents──> Watchdog ──judgements──> Steering ──> steered(plan) ──> RunEngine
                             (own worker)             (latches)
"""

from ._adaptive import adaptive_runs, adaptive_scan
from ._watch import watch

__all__ = ["adaptive_runs", "adaptive_scan", "watch"]
