"""load_universe and sync_sessions, as an operator sees them."""

from __future__ import annotations

import getpass
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from universe.models import ExchangeCalendar, Symbol, UniverseVersion
from universe.services.sessions import sync

GOOD = "ticker,calendar,tier,asset_class\nAAPL,XNYS,T0,equity\nSPY,XNAS,T1,etf\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "universe.csv"
    path.write_text(GOOD)
    return path


def run(*args: object) -> str:
    out = StringIO()
    call_command(*map(str, args), stdout=out)
    return out.getvalue()


def test_load_tells_what_changed(db: None, file: Path) -> None:
    sync(["XNYS"], date(2024, 1, 1), date(2024, 1, 31))
    said = run("load_universe", file, "--by", "Ada")
    number = UniverseVersion.objects.get().pk
    assert said == (
        f"universe version {number}: 2 active symbols (T0 1, T1 1, T2 0);"
        " 2 new, 0 changed, 0 deactivated\n"
    )
    assert UniverseVersion.objects.get().loaded_by == "Ada"
    assert run("load_universe", file) == f"{file} is what was loaded last: nothing to do\n"


def test_load_syncs_what_is_missing_and_says_so(db: None, file: Path) -> None:
    assert "syncing the sessions of XNYS\n" in run("load_universe", file)
    assert ExchangeCalendar.objects.get().name == "XNYS"
    assert UniverseVersion.objects.get().loaded_by == getpass.getuser()


def test_load_without_sync_refuses(db: None, file: Path) -> None:
    with pytest.raises(CommandError) as caught:
        run("load_universe", file, "--no-sync")
    advice = "has no sessions here; run manage.py sync_sessions --calendars XNYS"
    assert str(caught.value).splitlines() == [
        f"{file}: 2 errors, nothing loaded",
        f"line 2: calendar: 'XNYS' {advice}",
        f"line 3: calendar: 'XNAS' {advice}",
    ]
    assert not Symbol.objects.exists()
    assert not ExchangeCalendar.objects.exists()


def test_load_lists_every_error(db: None, file: Path) -> None:
    file.write_text(GOOD + "X Y,XNYS,T9,equity\n")
    with pytest.raises(CommandError, match=r"2 errors, nothing loaded\nline 4: ticker.*\nline 4"):
        run("load_universe", file)


@pytest.mark.parametrize(("name", "problem"), [("none.csv", "No such file"), (".", "directory")])
def test_load_needs_a_file(db: None, tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        run("load_universe", tmp_path / name)


def test_sync_prints_a_table(db: None) -> None:
    said = run(
        "sync_sessions", "--calendars", "XNAS", "24/7",
        "--first", "2024-03-01", "--last", "2024-03-31",
    )  # fmt: skip
    header, xnys, always = said.splitlines()
    assert header.split() == [
        "calendar", "from", "to", "sessions", "added", "changed", "removed", "version",
    ]  # fmt: skip
    assert xnys.split() == ["XNYS", "2024-03-01", "2024-03-31", "20", "20", "0", "0", "1"]
    assert always.split() == ["24/7", "2024-03-01", "2024-03-31", "31", "31", "0", "0", "1"]


def test_sync_without_names_takes_those_of_the_table(db: None) -> None:
    sync(["XLON"], date(2024, 3, 1), date(2024, 3, 31))
    said = run("sync_sessions", "--first", "2024-03-01", "--last", "2024-04-05")
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["XLON"]


def test_sync_of_an_empty_table_starts_with_two(db: None) -> None:
    said = run("sync_sessions", "--first", "2024-03-01", "--last", "2024-03-08")
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["XNYS", "24/7"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--calendars", "NOPE"], "no calendar 'NOPE'"),
        (["--first", "2024-03-02", "--last", "2024-03-01"], "2024-03-01 is before"),
        (["--first", "yesterday"], "'yesterday' must be a date like 2013-07-01"),
        (["--last", "2024-02-30"], "2024-02-30 is no date"),
        (["--calendars", "XSAU", "--last", "1999-01-01"], "computes XSAU from 2021-01-01"),
    ],
)
def test_sync_refuses_in_words(db: None, args: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        run("sync_sessions", *args)
    assert not ExchangeCalendar.objects.exists()
