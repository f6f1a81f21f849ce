"""What is on the disk first."""

from __future__ import annotations

from skysteer.stores.jsonl._flusher import Flusher
from skysteer.stores.jsonl._runfile import RunFile


class Busy(RunFile):
    """While it is synced, more is written: into the other file, and then into this one."""

    def __init__(self, path, other):
        super().__init__(path)
        self.other = other

    def sync(self):
        if self.size < 30:
            self.other.append(b"suggested\n")
            self.append(b"measured\n")
        super().sync()


def test_decisions_that_are_written_while_measurements_are_synced_are_on_the_disk_with_them(tmp_path):
    decisions = RunFile(tmp_path / "decisions.jsonl")
    measurement = Busy(tmp_path / "measurement.jsonl", decisions)
    flusher = Flusher(tmp_path, 60.0)
    try:
        flusher.add(measurement, first=False)
        flusher.add(decisions, first=True)
        flusher.flush()
        assert measurement.synced == len(b"measured\n")
        assert decisions.synced == decisions.size == len(b"suggested\n")
    finally:
        flusher.close()
