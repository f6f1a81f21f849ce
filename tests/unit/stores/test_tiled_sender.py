"""What the sender to a Tiled server does with files and runs that can never be sent: the others are, and it says so."""

from __future__ import annotations

import errno
import os
from typing import ClassVar

import httpx
import pytest

from skysteer.stores import JSONLines
from skysteer.stores.tiled import _sending, _sent

from .conftest import run_of

BAD = "of this name nothing can be made"


class PartialServer:
    """Named fake: takes every run but those of one plan, for which it answers with one status."""

    status = 500

    def __init__(self, url, key):
        self.client = self

    def missing(self, runs):
        return set()

    def close(self):
        pass


class Upload:
    """Named fake: of one run, into `PartialServer`."""

    arrived: ClassVar[list[str]] = []
    tries = 0
    events = 0

    def __init__(self, client, wide):
        self.client = client

    def feed(self, documents):
        plans = [doc["plan_name"] for name, doc in documents if name == "start"]
        if BAD in plans:
            Upload.tries += 1
            answer = httpx.Response(self.client.status, request=httpx.Request("POST", "http://there"))
            raise httpx.HTTPStatusError("it fails", request=answer.request, response=answer)
        Upload.arrived += plans

    def flush(self):
        pass

    check = doubt = flush


@pytest.fixture
def sent(folder, monkeypatch):
    """Send the folder until all of it is sent or set aside; return what was reported last, and the log."""
    monkeypatch.setattr(_sending, "Catalog", PartialServer)
    monkeypatch.setattr(_sending, "RunUpload", Upload)
    monkeypatch.setattr(Upload, "arrived", [])
    monkeypatch.setattr(Upload, "tries", 0)

    def send():
        reports = []
        sender = _sending.Sender(folder, "http://there", None, reports.append, pauses=(0.001, 0.01))
        sender.finish()
        sender.run()
        sender.close()
        return reports[-1]

    return send


def test_a_file_that_holds_no_run_is_set_aside_once(folder, sent, caplog):
    with JSONLines(folder) as store:
        store.write(run_of(1).documents)
    (folder / "notes.jsonl").write_text('{"hello": 1}\n')
    (folder / "sub.jsonl").mkdir()
    said = sent()
    assert Upload.arrived == ["scan"]
    assert said["set_aside"].keys() == {"notes.jsonl", "sub.jsonl"}
    assert [record.name for record in caplog.records if "is not sent, until" in record.getMessage()] == [
        "skysteer.stores.tiled._sending"
    ] * 2
    assert "lost what was sent" not in caplog.text


@pytest.mark.timeout(20)
@pytest.mark.parametrize("status", [500, 404, 409])
def test_a_run_that_the_server_never_takes_is_set_aside_and_the_others_are_sent(folder, sent, monkeypatch, status):
    monkeypatch.setattr(PartialServer, "status", status)
    with JSONLines(folder) as store:
        for plan in [BAD, "scan", "count"]:
            store.write(run_of(1, plan_name=plan).documents)
    said = sent()
    assert sorted(Upload.arrived) == ["count", "scan"]
    assert len(said["set_aside"]) == 1
    assert Upload.tries == _sending.LAST_TRY


def test_a_folder_that_is_read_only_is_sent_all_the_same_by_one_at_a_time(folder, sent, monkeypatch):
    with JSONLines(folder) as store:
        store.write(run_of(1).documents)
    real = os.open

    def read_only(path, flags, *more):  # root may write everywhere; a mount would need it
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, *more)

    monkeypatch.setattr(_sent.os, "open", read_only)
    assert sent()["runs"] == 1
    assert Upload.arrived == ["scan"]
    first, second = _sent.Sent(folder, "http://there"), _sent.Sent(folder, "http://there")
    assert first.lock()
    assert not second.lock()
    first.close()
    assert second.lock()
    second.close()
    assert not list(folder.glob("*.tiled"))
