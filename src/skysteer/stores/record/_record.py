"""What is on record of one launch, read back: decisions as the values they were, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from skysteer.documents import Fields, PerEvent, PerRun
from skysteer.errors import RecordError
from skysteer.model import (
    Asked,
    Axis,
    Checkpointed,
    Choice,
    Decision,
    GivenUp,
    Judged,
    Observation,
    Refused,
    Replaced,
    Space,
    Steered,
    Suggested,
    Told,
)
from skysteer.stores.jsonl import RunEntry, documents, find, runs

from ._decoding import Decoder, RunMoment

__all__ = ["Record", "RunMoment"]

D = TypeVar("D", bound=Decision)


@dataclass(frozen=True)
class Record:
    """One launch of a flow as its decision run and its measurement runs tell it.

    Parts that cost time are read when they are first asked for: what was
    measured (`observations`), and the launches before it (`chain`).
    """

    folder: Path
    """The folder of runs it was read from."""
    entry: RunEntry
    """The decision run."""
    about: Mapping[str, Any]
    """What its start document says under ``"skysteer"``."""
    measurements: tuple[RunEntry, ...]
    """The runs that it measured, in order."""
    decisions: tuple[Decision, ...]
    """Every decision, in the order in which they were made."""
    moments: tuple[RunMoment, ...]
    """When each run was opened and closed."""
    incomplete: tuple[Suggested, ...] = ()
    """Answers of which only the first suggestions are on record, as after a power cut. They are not in `decisions`."""
    problems: tuple[str, ...] = ()
    """What is not as it would be after an ordinary end, one sentence each."""

    @classmethod
    def read(cls, folder: str | Path, run: str | Path = "last") -> Record:
        """Read a launch back.

        Parameters
        ----------
        folder
            The folder of runs.
        run
            The decision run or any run that it measured: its uid, the beginning of it, its file, or ``"last"``.

        Raises
        ------
        RecordError
            If there is no such run, or nothing says what was decided in it.
        """
        folder = Path(folder)
        known = runs(folder)
        entry = _decisions_of(find(folder, str(run)), known, folder)
        decoder, problems = Decoder(), list[str]()
        for name, doc in documents(entry.path, problems=problems):
            decoder(name, doc)
        if not entry.exit_status:
            problems.append("the decision run has no stop document: " + _how_it_ended(entry))
        named = {*entry.measurements, *(moment.run for moment in decoder.moments)}
        measurements = tuple(
            each for each in known if each.kind == "measurement" and (each.decisions == entry.uid or each.uid in named)
        )
        for each in measurements:
            if not each.exit_status:
                problems.append(f"run {each.uid[:8]} has no stop document: {_how_it_ended(each)}")
        found = {each.uid for each in measurements}
        for uid in dict.fromkeys(moment.run for moment in decoder.moments):
            if uid not in found:
                problems.append(
                    f"run {uid[:8]} is not in the folder: its file was removed, or lost with its first line"
                )
        decisions, incomplete = decoder.decisions()
        if incomplete:
            problems.append(f"{len(incomplete)} answers are cut off: some of their suggestions are not on record")
        return cls(
            folder, entry, decoder.about, measurements, decisions, tuple(decoder.moments), incomplete, tuple(problems)
        )

    # ------------------------------------------------------------ decisions by their kind

    @property
    def told(self) -> tuple[Told, ...]:
        """Points that somebody was told."""
        return self._of(Told)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Questions asked ahead."""
        return self._of(Asked)

    @property
    def suggested(self) -> tuple[Suggested, ...]:
        """Answers, each with its suggestions."""
        return self._of(Suggested)

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Questions that led to no point."""
        return self._of(Refused)

    @property
    def given_up(self) -> tuple[GivenUp, ...]:
        """Suggestions that will not be measured."""
        return self._of(GivenUp)

    @property
    def replaced(self) -> tuple[Replaced, ...]:
        """Workers that died."""
        return self._of(Replaced)

    @property
    def checkpointed(self) -> tuple[Checkpointed, ...]:
        """Checkpoints that were written, or failed."""
        return self._of(Checkpointed)

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Verdicts of watchdogs."""
        return self._of(Judged)

    @property
    def steered(self) -> tuple[Steered, ...]:
        """Steering, by hand or by a watchdog."""
        return self._of(Steered)

    def _of(self, kind: type[D]) -> tuple[D, ...]:
        return tuple(each for each in self.decisions if isinstance(each, kind))

    # ------------------------------------------------------------ what it was about

    @property
    def flow(self) -> str:
        """``"adaptive_scan"``, ``"adaptive_runs"`` or ``"watch"``."""
        return str(self.about.get("flow", ""))

    @property
    def launch(self) -> str:
        """Uid of the launch; begins the id of every suggestion made in it."""
        return str(self.about.get("launch") or "")

    @property
    def resumes(self) -> str:
        """Uid of the decision run that this one goes on with; ``""`` for none."""
        return str(self.about.get("resumes") or "")

    @property
    def space(self) -> Space | None:
        """Where it might suggest; ``None`` where there was no recommender."""
        axes = self.about.get("space")
        return Space(*(_axis(each) for each in axes)) if axes else None

    @property
    def fields(self) -> Fields | None:
        """Where in the events the values are that were told; ``None`` where there was no recommender."""
        said = self.about.get("fields")
        if not said:
            return None
        return Fields(said["axes"], said["objectives"], said.get("stream", "primary"), reduced=bool(said["reduced"]))

    @cached_property
    def observations(self) -> tuple[Observation, ...]:
        """What was measured, each event (or run) once: those that were told first, in that order.

        Of an event that was measured again after a pause, the first counts. Where the
        objectives were reduced they are those that were told; what was not told any
        more has its `Observation.data` instead.
        """
        found = {each.identity: each for each in self._measured()}
        told: dict[tuple[str, str, int], Told] = {}
        for each in self.told:
            identity = (each.run, each.stream, each.seq_num)
            if not each.replay and identity in found:
                told.setdefault(identity, each)
        reduced = self.fields is not None and self.fields.reduced
        first = [
            _with_objectives(found[identity], each) if reduced else found[identity] for identity, each in told.items()
        ]
        return (*first, *(each for identity, each in found.items() if identity not in told))

    def _measured(self) -> Iterator[Observation]:
        """Each event of the stream, or each successful run, once, in the order of the files."""
        fields = self.fields
        if fields is None:
            return
        heard: dict[tuple[str, str, int], Observation] = {}

        def hear(observation: Observation) -> None:
            heard.setdefault(observation.identity, observation)

        adapter = (PerRun if self.flow == "adaptive_runs" else PerEvent)(fields, hear)
        for entry in self.measurements:
            for name, doc in documents(entry.path):
                adapter(name, doc)
        yield from heard.values()

    @cached_property
    def chain(self) -> tuple[Record, ...]:
        """The launches that it goes on with, the oldest first.

        Raises
        ------
        RecordError
            If one of them is not in the folder.
        """
        earlier: list[Record] = []
        seen = {self.entry.uid}
        uid = self.resumes
        while uid:
            if uid in seen:
                raise RecordError(f"run {uid} goes on with itself: its record was changed by hand")
            seen.add(uid)
            try:
                record = Record.read(self.folder, uid)
            except RecordError as exc:
                raise RecordError(f"run {self.entry.uid} goes on with run {uid}, but: {exc}") from exc
            earlier.append(record)
            uid = record.resumes
        return tuple(reversed(earlier))


def _decisions_of(entry: RunEntry, known: Iterable[RunEntry], folder: Path) -> RunEntry:
    """The decision run that a run is, or that goes with it."""
    if entry.kind == "decisions":
        return entry
    if not entry.decisions:
        raise RecordError(
            f"run {entry.uid} in {folder} was recorded without decisions: what it measured is in {entry.path.name}, "
            "and nothing says who asked for it; record= of adaptive_scan, adaptive_runs or watch makes both"
        )
    for each in known:
        if each.uid == entry.decisions:
            return each
    raise RecordError(
        f"the decision run {entry.decisions} of run {entry.uid} is not in {folder}: its file was removed, or lost "
        f"before its first line was written. What was measured is whole, {entry.num_points} points in "
        f"{entry.path.name}: a new scan can begin with a recommender that ingests them, and cannot go on as this one"
    )


def _how_it_ended(entry: RunEntry) -> str:
    return "it is still being written" if entry.running else "its process ended without closing it"


def _axis(said: Mapping[str, Any]) -> Axis | Choice:
    if said["kind"] == "choice":
        return Choice(said["name"], tuple(said["options"]), said.get("units", ""))
    low, high = said["low"], said["high"]
    return Axis(
        said["name"],
        float("-inf") if low is None else low,
        float("inf") if high is None else high,
        said.get("units", ""),
        said.get("step"),
    )


def _with_objectives(observation: Observation, told: Told) -> Observation:
    return Observation(
        observation.run, observation.stream, observation.seq_num, observation.time, observation.axes, told.objectives,
        suggestion=observation.suggestion,
    )  # fmt: skip
