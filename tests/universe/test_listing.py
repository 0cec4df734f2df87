"""Loading a universe: one version, all or nothing, ids that stay."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count

from marketdata_site import clock
from universe.models import ExchangeCalendar, Symbol, SymbolTicker, UniverseVersion
from universe.services import listing
from universe.services.listing import UniverseInvalid, load_universe
from universe.services.symbology import resolve

HEADER = (
    "ticker,name,calendar,tier,asset_class,currency,listed_on,delisted_on,active,former_tickers\n"
)
SAMPLE = Path(__file__).parents[2] / "universe/data/sample_universe.csv"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "universe.csv"


@pytest.fixture
def calendars(db: None) -> None:
    """Two calendars that are there already; their sessions do not matter here."""
    add_calendars()


def add_calendars() -> None:
    for name, zone in (("XNYS", "America/New_York"), ("24/7", "UTC")):
        ExchangeCalendar.objects.create(
            name=name,
            timezone=zone,
            covered_from=date(2000, 1, 1),
            covered_to=date(2030, 1, 1),
            synced_at=datetime(2024, 1, 1, tzinfo=UTC),
        )


def load(file: Path, *rows: str, by: str = "tester") -> UniverseVersion:
    file.write_text(HEADER + "\n".join(rows) + "\n")
    version = load_universe(file, by)
    assert version is not None
    return version


def refuse(file: Path, *rows: str) -> list[str]:
    before = list(Symbol.objects.order_by("pk").values())
    file.write_text(HEADER + "\n".join(rows) + "\n")
    with pytest.raises(UniverseInvalid) as caught:
        load_universe(file, "tester")
    assert list(Symbol.objects.order_by("pk").values()) == before
    return [str(error) for error in caught.value.errors]


def ids() -> dict[str, int]:
    return dict(Symbol.objects.active().values_list("ticker", "pk"))


AAPL = "AAPL,Apple,XNYS,T0,equity,,1980-12-12,,,"
SPY = "SPY,S&P 500,XNYS,T1,etf,,,,,"
BTC = "BTC-USD,Bitcoin,24/7,T1,crypto,,,,,"
NWSA = "NWSA,News,XNYS,T0,equity,,,,,"
FOXA = "FOXA,Fox,XNYS,T0,equity,,,,,NWSA:2013-07-01"


def test_a_version_says_who_when_what_and_from_where(calendars: None, file: Path) -> None:
    moment = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
    clock.install(lambda: moment)
    version = load(file, AAPL, SPY, BTC, by="Ada")
    assert (version.loaded_by, version.loaded_at) == ("Ada", moment)
    assert version.source == str(file)
    assert version.checksum == hashlib.sha256(file.read_bytes()).hexdigest()
    assert version.tier_counts == {"T0": 1, "T1": 2, "T2": 0}
    assert version.added == ["AAPL", "SPY", "BTC-USD"]
    assert (version.changed, version.deactivated) == ({}, [])


def test_symbols_are_what_the_rows_say(calendars: None, file: Path) -> None:
    load(file, AAPL, "OLD,Gone Ltd,24/7,T2,crypto,EUR,2001-02-03,2004-05-06,false,")
    old = Symbol.objects.get(ticker="OLD")
    assert (old.name, old.calendar_id, old.tier, old.asset_class) == (
        "Gone Ltd",
        "24/7",
        "T2",
        "crypto",
    )
    assert (old.currency, old.active) == ("EUR", False)
    assert (old.listed_on, old.delisted_on) == (date(2001, 2, 3), date(2004, 5, 6))
    assert list(old.tickers.values_list("ticker", "valid_from", "valid_to")) == [
        ("OLD", None, None)
    ]


def test_the_same_file_twice_is_nothing(calendars: None, file: Path) -> None:
    load(file, AAPL, SPY)
    assert load_universe(file, "somebody else") is None
    assert UniverseVersion.objects.count() == 1


def test_a_file_that_was_loaded_before_the_last_one_is_loaded_again(
    calendars: None, file: Path
) -> None:
    load(file, AAPL, SPY)
    load(file, AAPL)
    version = load(file, AAPL, SPY)
    assert UniverseVersion.objects.count() == 3
    assert version.changed == {"SPY": {"active": [False, True]}}
    assert Symbol.objects.count() == 2


def test_changes_are_told_field_by_field(calendars: None, file: Path) -> None:
    load(file, AAPL, SPY)
    before = ids()
    version = load(file, "AAPL,Apple Inc.,24/7,T2,equity,EUR,1980-12-12,2030-01-01,,", SPY)
    assert version.changed == {
        "AAPL": {
            "name": ["Apple", "Apple Inc."],
            "calendar": ["XNYS", "24/7"],
            "tier": ["T0", "T2"],
            "currency": ["USD", "EUR"],
            "delisted_on": [None, "2030-01-01"],
        }
    }
    assert (version.added, version.deactivated) == ([], [])
    assert ids() == before


def test_symbols_no_longer_named_become_inactive(calendars: None, file: Path) -> None:
    load(file, AAPL, SPY, BTC)
    version = load(file, SPY)
    assert version.deactivated == ["AAPL", "BTC-USD"]
    assert version.tier_counts == {"T0": 0, "T1": 1, "T2": 0}
    assert Symbol.objects.filter(active=False).count() == 2
    assert load(file, SPY, "IBM,,XNYS,T0,equity,,,,,").deactivated == []


def test_all_errors_and_nothing_written(calendars: None, file: Path) -> None:
    load(file, AAPL)
    found = refuse(file, SPY, "IBM,,XNOPE,T9,equity,,,,,", "GE,,XNOPE,T0,equity,,,,,", "X")
    assert [error.split("'")[0] for error in found] == [
        "line 3: tier: ",
        "line 3: calendar: ",
        "line 4: calendar: ",
        "line 5: row: ",
    ]
    assert UniverseVersion.objects.count() == 1


def test_an_error_while_writing_leaves_the_old_universe(
    calendars: None, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(file, AAPL, SPY)
    before = list(Symbol.objects.order_by("pk").values())

    def fail() -> dict[str, int]:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(listing, "_tier_counts", fail)
    file.write_text(HEADER + BTC + "\n")
    with pytest.raises(RuntimeError, match="disk"):
        load_universe(file, "tester")
    assert list(Symbol.objects.order_by("pk").values()) == before
    assert UniverseVersion.objects.count() == 1


# ---- tickers that change --------------------------------------------------------------


def test_a_renamed_symbol_keeps_its_id(calendars: None, file: Path) -> None:
    load(file, NWSA, SPY)
    before = ids()
    version = load(file, FOXA, SPY)
    assert ids() == {"FOXA": before["NWSA"], "SPY": before["SPY"]}
    assert version.changed == {
        "FOXA": {
            "ticker": ["NWSA", "FOXA"],
            "name": ["News", "Fox"],
            "former_tickers": ["", "NWSA:2013-07-01"],
        }
    }
    assert (version.added, version.deactivated) == ([], [])
    assert resolve("NWSA", date(2013, 6, 28)).pk == before["NWSA"]
    assert resolve("FOXA").pk == before["NWSA"]


def test_a_second_rename_keeps_it_too(calendars: None, file: Path) -> None:
    load(file, NWSA)
    load(file, FOXA)
    version = load(file, "TFCFA,Fox,XNYS,T0,equity,,,,,NWSA:2013-07-01;FOXA:2019-03-19")
    assert Symbol.objects.count() == 1
    assert version.changed["TFCFA"]["former_tickers"] == [
        "NWSA:2013-07-01",
        "NWSA:2013-07-01;FOXA:2019-03-19",
    ]
    assert SymbolTicker.objects.count() == 3
    for ticker, day in (("NWSA", 2012), ("FOXA", 2015), ("TFCFA", 2020)):
        assert resolve(ticker, date(day, 1, 3)).pk == ids()["TFCFA"]


def test_history_that_is_learned_later_belongs_to_the_same_symbol(
    calendars: None, file: Path
) -> None:
    load(file, "FOXA,Fox,XNYS,T0,equity,,,,,")
    before = ids()
    version = load(file, FOXA)
    assert ids() == before
    assert version.changed == {"FOXA": {"former_tickers": ["", "NWSA:2013-07-01"]}}


def test_the_freed_ticker_may_go_to_another_company(calendars: None, file: Path) -> None:
    load(file, NWSA)
    old = ids()["NWSA"]
    version = load(file, "NWSA,New News,XNYS,T0,equity,,2013-07-01,,,", FOXA)
    assert ids()["FOXA"] == old
    assert version.added == ["NWSA"]
    assert resolve("NWSA", date(2013, 6, 28)).pk == old
    assert resolve("NWSA", date(2013, 7, 1)).pk == ids()["NWSA"] != old


def test_a_chain_of_renames_in_one_file(calendars: None, file: Path) -> None:
    load(file, "A,,XNYS,T0,equity,,,,,", "B,,XNYS,T0,equity,,,,,", "C,,XNYS,T0,equity,,,,,")
    before = ids()
    load(
        file,
        "B,,XNYS,T0,equity,,,,,A:2020-01-02",
        "C,,XNYS,T0,equity,,,,,B:2020-01-02",
        "D,,XNYS,T0,equity,,,,,C:2020-01-02",
    )
    assert ids() == {"B": before["A"], "C": before["B"], "D": before["C"]}


def test_two_symbols_cannot_become_one(calendars: None, file: Path) -> None:
    load(file, NWSA, "FOXA,Fox,XNYS,T0,equity,,,,,")
    [error] = refuse(file, FOXA)
    assert "line 2: former_tickers: 'NWSA' is a symbol of its own" in error
    assert "apart from FOXA" in error


def test_a_swap_of_tickers_is_not_guessed(calendars: None, file: Path) -> None:
    load(file, "A,,XNYS,T0,equity,,,,,", "B,,XNYS,T0,equity,,,,,")
    found = refuse(file, "A,,XNYS,T0,equity,,,,,B:2020-01-02", "B,,XNYS,T0,equity,,,,,A:2020-01-02")
    assert [error.split(":")[0] for error in found] == ["line 2", "line 3"]


def test_history_learned_while_another_company_has_the_old_ticker(
    calendars: None, file: Path
) -> None:
    load(file, "NWSA,New News,XNYS,T0,equity,,2013-07-01,,,", "FOXA,Fox,XNYS,T0,equity,,,,,")
    before = ids()
    load(file, "NWSA,New News,XNYS,T0,equity,,2013-07-01,,,", FOXA)
    assert ids() == before


def test_a_ticker_of_a_delisted_company_used_again_is_a_new_symbol(
    calendars: None, file: Path
) -> None:
    load(file, "FB,Old,XNYS,T0,equity,,1999-01-04,2005-03-01,,")
    old = ids()["FB"]
    version = load(file, "FB,New,XNYS,T0,equity,,2012-05-18,,,")
    assert version.added == version.deactivated == ["FB"]
    assert ids()["FB"] != old
    assert resolve("FB", date(2004, 1, 5)).pk == old


def test_a_symbol_that_comes_back_is_the_same(calendars: None, file: Path) -> None:
    load(file, AAPL, SPY)
    before = ids()
    load(file, SPY)
    load(file, AAPL, SPY)
    assert ids() == before


# ---- calendars -------------------------------------------------------------------------


def test_aliases_are_stored_by_their_one_name(calendars: None, file: Path) -> None:
    load(file, "AAPL,,XNAS,T0,equity,,,,,", "SPY,,NYSE,T0,etf,,,,,")
    assert set(Symbol.objects.values_list("calendar", flat=True)) == {"XNYS"}


def test_missing_calendars_are_synced_first(calendars: None, file: Path) -> None:
    told: list[str] = []
    clock.install(lambda: datetime(1991, 1, 1, tzinfo=UTC))
    file.write_text(HEADER + "VOD,,XLON,T0,equity,GBP,,,,\n")
    assert load_universe(file, "tester", progress=told.append) is not None
    assert told == ["XLON"]
    assert ExchangeCalendar.objects.get(name="XLON").covered_from == date(1990, 1, 1)


def test_or_refused(calendars: None, file: Path) -> None:
    file.write_text(HEADER + "VOD,,XLON,T0,equity,GBP,,,,\n")
    with pytest.raises(UniverseInvalid, match=r"line 2: calendar: 'XLON' has no sessions here"):
        load_universe(file, "tester", sync_missing=False)
    assert not Symbol.objects.exists()


# ---- size and company ------------------------------------------------------------------


def test_ten_thousand_rows_take_few_statements(
    calendars: None, file: Path, django_assert_max_num_queries: object
) -> None:
    assert callable(django_assert_max_num_queries)
    rows = [f"S{n},,XNYS,T{n % 3},equity,,,,," for n in range(10_000)]
    with django_assert_max_num_queries(400):
        assert sum(load(file, *rows).tier_counts.values()) == 10_000
    renamed = [f"R{n},x,XNYS,T{n % 3},equity,,,,,S{n}:2020-01-02" for n in range(10_000)]
    with django_assert_max_num_queries(600):
        version = load(file, *renamed)
    assert len(version.changed) == Symbol.objects.count() == 10_000


def test_the_sample_universe(calendars: None) -> None:
    version = load_universe(SAMPLE, "tester")
    assert version is not None
    assert sum(version.tier_counts.values()) == 50
    rows = Symbol.objects.order_by("tier").values_list("tier", "calendar")
    mix = {row[:2]: row[2] for row in rows.annotate(Count("pk"))}
    assert set(mix) == {(tier, name) for tier in ("T0", "T1", "T2") for name in ("XNYS", "24/7")}
    assert sum(count for (_, name), count in mix.items() if name == "24/7") >= 8
    assert {"AAPL", "SPY", "MSFT", "GOOG", "QQQ", "FOXA", "BTC-USD", "ETH-USD"} <= set(ids())
    assert resolve("NWSA", date(2013, 6, 28)).ticker == "FOXA"


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_follow_each_other(tmp_path: Path) -> None:
    add_calendars()
    barrier = threading.Barrier(2)
    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            file = tmp_path / f"{name}.csv"
            file.write_text(HEADER + f"{AAPL}\n{name},,XNYS,T0,equity,,,,,\n")
            barrier.wait()
            load_universe(file, name)
        except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in ("ONE", "TWO")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Symbol.objects.filter(ticker="AAPL").count() == 1
    first, second = UniverseVersion.objects.order_by("pk")
    assert second.deactivated == [first.loaded_by]
    assert set(ids()) == {"AAPL", second.loaded_by}


@pytest.mark.django_db
def test_if_empty_leaves_an_operators_universe_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("ticker,calendar,tier,asset_class\nBTC-USD,24/7,T0,crypto\n")
    second.write_text("ticker,calendar,tier,asset_class\nETH-USD,24/7,T0,crypto\n")
    call_command("load_universe", str(first), "--if-empty")
    call_command("load_universe", str(second), "--if-empty")
    assert list(Symbol.objects.active().values_list("ticker", flat=True)) == ["BTC-USD"]
    assert UniverseVersion.objects.count() == 1
