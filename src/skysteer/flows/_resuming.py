"""Goes on with a scan that was cut off: reads its record, and takes its runs over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from skysteer.errors import RecordError, SkysteerError
from skysteer.plans import Plan
from skysteer.recommenders import Advisor
from skysteer.stores import Claim, JSONLines, Recorder, Resumption, resume_from, runs
from skysteer.stores import Record as RecordOfLaunch

from ._owners import result_of
from ._recording import Record

log = logging.getLogger(__name__)
T = TypeVar("T")

FLOWS = ("adaptive_scan", "adaptive_runs")
"""Those that can go on."""


@dataclass(frozen=True, slots=True)
class GoingOn:
    """A scan that goes on; its files are locked until `released`."""

    resumption: Resumption
    claim: Claim
    _locks: ExitStack

    def taught(self, advisors: Sequence[Advisor]) -> Plan[None]:
        """Teach the recommenders what they knew, and wait for it: no patience is spent on that."""
        histories = self.resumption.histories
        futures = [
            advisor.restore(histories[origin])
            for advisor, origin in zip(advisors, ("recommender", "fallback"), strict=False)
        ]
        for future in futures:
            with suppress(SkysteerError):  # logged; it is told again before the next question, and may say so then
                yield from result_of(future)

    def released(self, by: str) -> None:
        """Let the files go: the new decision run is on record."""
        self.claim.resumed_by(by)
        self._locks.close()

    def close(self) -> None:
        """Let the files go, whatever became of it."""
        self._locks.close()


def where(resume: str | Path | None, record: Record | None) -> tuple[Record | None, Path | None]:
    """Return where the rest is put on record, and the folder in which the run is to be found.

    Raises
    ------
    RecordError
        If nothing says which folder it is, or the run lies in another.
    """
    if resume is None:
        return record, None
    file = Path(resume).expanduser()
    beside = file.absolute().parent if file.is_file() else None
    if record is None:
        if beside is None:
            raise RecordError(
                f"resume={str(resume)!r} is no file: give the folder of runs too, record=..., or the path of the "
                "file of the run"
            )
        return beside, beside
    folder = record if isinstance(record, str | Path) else _folder_of(record)
    folder = Path(folder).expanduser().absolute()
    if beside is not None and beside.resolve() != folder.resolve():
        raise RecordError(
            f"resume={str(resume)!r} is not in the folder {folder}, where the rest is to be put on record: "
            f"leave record= out, or give {beside}"
        )
    return record, folder


def _folder_of(record: Recorder | JSONLines) -> Path:
    return record.store.folder if isinstance(record, Recorder) else record.folder


def going_on(resume: str | Path, folder: Path, about: Mapping[str, Any]) -> Plan[GoingOn]:
    """Read the record of a run, see that it may go on, and take its runs over.

    Raises
    ------
    RecordError
        If it is not on record.
    ResumeError
        If it may not go on.
    """

    def read() -> GoingOn:
        resumption = resume_from(RecordOfLaunch.read(folder, _newest(folder) if resume == "last" else resume), about)
        with ExitStack() as stack:
            claim = stack.enter_context(resumption.claim())
            return GoingOn(resumption, claim, stack.pop_all())

    future = _in_a_thread(read)
    try:
        found = yield from result_of(future)
    except BaseException:
        future.add_done_callback(_let_go)
        raise
    for warning in found.resumption.warnings:
        log.warning("run %s goes on, but: %s", found.resumption.uid[:8], warning)
    return found


def _newest(folder: Path) -> str:
    """The newest scan: what is put on record beside it cannot go on, such as a watch around the call that resumes."""
    scans = [each.uid for each in runs(folder) if each.kind == "decisions" and each.flow in FLOWS]
    return scans[-1] if scans else "last"


def _let_go(future: Future[GoingOn]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()


def _in_a_thread(function: Callable[[], T]) -> Future[T]:
    """Run what takes seconds beside the engine's loop."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = function()
        except BaseException as exc:
            future.set_exception(exc)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="skysteer-resume", daemon=True).start()
    return future
