"""The universe in the console: to look at; only overrides can be changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from universe.models import (
    ExchangeCalendar,
    ExchangeSession,
    SessionOverride,
    Symbol,
    SymbolTicker,
    UniverseVersion,
)
from universe.services.overrides import put_override
from universe.services.sessions import grid, sync

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

DAY = date(2024, 3, 12)
READ_ONLY = [Symbol, UniverseVersion, ExchangeCalendar, ExchangeSession]


@pytest.fixture
def universe(db: None) -> Symbol:
    sync(["XNYS"], date(2024, 3, 1), date(2024, 3, 31))
    symbol = Symbol.objects.create(
        ticker="FOXA", name="Fox", calendar_id="XNYS", tier="T1", asset_class="equity"
    )
    for ticker, start, end in (
        ("NWSA", None, date(2013, 7, 1)),
        ("FOXA", date(2013, 7, 1), None),
    ):
        SymbolTicker.objects.create(symbol=symbol, ticker=ticker, valid_from=start, valid_to=end)
    UniverseVersion.objects.create(
        loaded_at=datetime(2024, 3, 4, tzinfo=UTC),
        loaded_by="Ada <script>",
        source="universe.csv",
        checksum="0" * 64,
        tier_counts={"T0": 0, "T1": 1, "T2": 0},
        added=[f"N{n}" for n in range(600)],
        changed={"FOXA": {"name": ["News & Co", "Fox"], "delisted_on": [None, "2030-01-02"]}},
        deactivated=["GONE"],
    )
    return symbol


def url(model: type, page: str, *args: object) -> str:
    return reverse(f"admin:universe_{model.__name__.lower()}_{page}", args=args)


def text(response: Response) -> str:
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("model", READ_ONLY)
def test_even_a_superuser_only_looks(
    universe: Symbol, admin_client: Client, model: type[Symbol]
) -> None:
    one = model.objects.all()[0]
    text(admin_client.get(url(model, "changelist")))
    page = text(admin_client.get(url(model, "change", one.pk)))
    assert 'name="_save"' not in page
    assert admin_client.get(url(model, "add")).status_code == 403
    assert admin_client.post(url(model, "change", one.pk), {}).status_code == 403
    assert admin_client.post(url(model, "delete", one.pk), {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [one.pk], "post": "yes"}
    admin_client.post(url(model, "changelist"), action)
    assert model.objects.filter(pk=one.pk).exists()


def test_symbols_are_found_by_former_ticker_and_show_their_history(
    universe: Symbol, admin_client: Client
) -> None:
    found = text(admin_client.get(url(Symbol, "changelist"), {"q": "NWSA", "tier": "T1"}))
    assert "FOXA" in found
    assert "FOXA" not in text(admin_client.get(url(Symbol, "changelist"), {"q": "MSFT"}))
    page = text(admin_client.get(url(Symbol, "change", universe.pk)))
    assert "NWSA" in page
    assert page.count("2013-07-01") == 2


def test_a_version_shows_its_difference_in_words(universe: Symbol, admin_client: Client) -> None:
    version = UniverseVersion.objects.get()
    listed = text(admin_client.get(url(UniverseVersion, "changelist")))
    assert "600 new, 1 changed, 1 deactivated" in listed
    page = text(admin_client.get(url(UniverseVersion, "change", version.pk)))
    assert "<td>News &amp; Co → Fox</td>" in page
    assert "<td>nothing → 2030-01-02</td>" in page
    assert "N499 … and 100 more" in page
    assert "GONE" in page
    assert "Ada &lt;script&gt;" in page


# ---- overrides -------------------------------------------------------------------------


def override_form(day: str = "2024-03-12", **times: str) -> dict[str, str]:
    form = {"calendar": "XNYS", "date": day, "reason": "a flood"}
    for name in ("open", "close", "break_start", "break_end"):
        form[f"{name}_0"] = day if name in times else ""
        form[f"{name}_1"] = times.get(name, "")
    return form


def version() -> int:
    return ExchangeCalendar.objects.get().version


def test_a_closed_day_is_added_through_the_service(universe: Symbol, admin_client: Client) -> None:
    assert grid("XNYS").session_on(DAY) is not None
    response = admin_client.post(url(SessionOverride, "add"), override_form())
    assert response.status_code == 302
    assert grid("XNYS").session_on(DAY) is None
    assert version() == 2
    assert SessionOverride.objects.get().reason == "a flood"


def test_changed_hours_are_in_utc(universe: Symbol, admin_client: Client) -> None:
    form = override_form(open="13:30", close="17:00")
    assert admin_client.post(url(SessionOverride, "add"), form).status_code == 302
    session = grid("XNYS").session_on(DAY)
    assert session is not None
    assert session.minutes == 210


def test_an_override_is_changed_and_keeps_its_date(universe: Symbol, admin_client: Client) -> None:
    override = put_override("XNYS", DAY, None, "a flood")
    form = override_form("2024-03-12", open="15:00", close="20:00") | {"date": "2024-03-13"}
    response = admin_client.post(url(SessionOverride, "change", override.pk), form)
    assert response.status_code == 302
    assert SessionOverride.objects.get().date == DAY
    session = grid("XNYS").session_on(DAY)
    assert session is not None
    assert session.minutes == 300
    assert version() == 3


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (override_form(open="13:30"), "needed, as there is a open"),
        (override_form(open="20:00", close="13:30"), "in the order"),
        (override_form("2025-03-12"), "is outside what calendar XNYS covers"),
        (override_form() | {"reason": " "}, "This field is required"),
        (override_form(open="13:30:30", close="20:00"), "whole minutes"),
    ],
)
def test_what_the_service_refuses_is_shown_at_its_field(
    universe: Symbol, admin_client: Client, form: dict[str, str], problem: str
) -> None:
    assert problem in text(admin_client.post(url(SessionOverride, "add"), form))
    assert version() == 1
    assert not SessionOverride.objects.exists()


def test_removing_goes_through_the_service_one_or_many(
    universe: Symbol, admin_client: Client
) -> None:
    one = put_override("XNYS", DAY, None, "a flood")
    many = put_override("XNYS", date(2024, 3, 13), None, "a flood")
    admin_client.post(url(SessionOverride, "delete", one.pk), {"post": "yes"})
    assert (grid("XNYS").session_on(DAY) is None, version()) == (False, 4)
    action = {"action": "delete_selected", "_selected_action": [many.pk], "post": "yes"}
    admin_client.post(url(SessionOverride, "changelist"), action)
    assert grid("XNYS").session_on(date(2024, 3, 13)) is not None
    assert version() == 5
    assert not SessionOverride.objects.exists()


def test_staff_needs_a_permission(universe: Symbol, client: Client) -> None:
    staff = User.objects.create_user("ada", password="x", is_staff=True)
    client.force_login(staff)
    assert client.post(url(SessionOverride, "add"), override_form()).status_code == 403
    assert client.get(url(Symbol, "changelist")).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_symbol"))
    assert client.get(url(Symbol, "changelist")).status_code == 200
