"""An outage: told from a bug, and told in few lines."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest
from django.core.exceptions import DisallowedHost
from django.db import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from marketdata_site.outage import BriefOutages, OutageLog, is_outage

REFUSED = OperationalError("connection failed:\n\tConnection refused\n")


def of_sqlite(sql: str, file: str | Path = ":memory:") -> OperationalError:
    """SQLite's answer to `sql`, as Django would raise it."""
    error = OperationalError("wrapped")
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(file).execute(sql)
    error.__cause__ = caught.value
    return error


def test_what_is_an_outage(tmp_path: Path) -> None:
    assert is_outage(REFUSED)
    assert is_outage(InterfaceError("the connection is closed"))
    assert is_outage(of_sqlite("SELECT 1", tmp_path / "missing" / "file"))
    for bug in (IntegrityError("no"), ProgrammingError("no such column"), KeyError("x"), None):
        assert not is_outage(bug)
    assert not is_outage(of_sqlite("SELECT * FROM nowhere"))
    assert not is_outage(of_sqlite("SELEKT"))


def formatted(error: Exception, message: str) -> str:
    with pytest.raises(type(error)) as caught:
        raise error
    trace = (type(error), error, caught.tb)
    record = logging.LogRecord("django.request", logging.ERROR, __file__, 1, message, (), trace)
    assert BriefOutages().filter(record)
    return logging.Formatter().format(record)


def test_an_outage_is_one_line_of_the_log() -> None:
    line = formatted(REFUSED, "Service Unavailable: /x")
    assert line == "Service Unavailable: /x: connection failed: Connection refused"


def test_a_foreign_host_is_one_short_line_of_the_log() -> None:
    line = formatted(DisallowedHost("x"), f"Invalid HTTP_HOST header: {'evil' * 2000}")
    assert line.startswith("Invalid HTTP_HOST header: evil")
    assert "\n" not in line
    assert len(line) <= 200


def test_a_bug_keeps_its_traceback() -> None:
    assert "Traceback" in formatted(KeyError("x"), "Internal Server Error: /x")


def test_a_lasting_outage_is_told_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = OutageLog(logging.getLogger("tests.outage"), lambda: now)
    log.back()
    assert not caplog.records
    told = []
    for second in range(301):
        now = float(second)
        log.away(REFUSED)
        if caplog.records:
            told.append(second)
            (record,) = caplog.records
            assert "\n" not in record.getMessage()
            assert not record.exc_info
            caplog.clear()
    assert told == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    log.back()
    log.back()
    (record,) = caplog.records
    assert "answers again" in record.getMessage()
    caplog.clear()
    log.away(REFUSED)  # the next one is told at once
    assert len(caplog.records) == 1


def test_an_error_that_is_no_outage_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    OutageLog(logging.getLogger("tests.outage")).away(ProgrammingError("no such column"))
    assert caplog.records[0].exc_info
