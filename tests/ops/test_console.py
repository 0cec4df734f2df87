"""The operator's console: what it shows, what it lets nobody do, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.urls import reverse

from ingestion.admin import looking
from ingestion.models import (
    CollectionJob,
    Cursor,
    Gap,
    IngestCommit,
    QuarantinedBar,
    Series,
)
from marketdata_site import clock
from ops import console, keys
from ops.models import ApiKey
from tests.ingestion.api.rows import add_commit, moment
from tests.ingestion.market_week import JUNE_2014
from tests.universe_rows import add_calendar, add_symbols

SCRIPT = "<script>alert('from a vendor')</script>"
LOOKED_AT = (IngestCommit, Series, Cursor, Gap, QuarantinedBar, CollectionJob)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stocked():
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    (symbol,) = add_symbols(calendar, "AAPL")
    commit = add_commit("2014-06-12T20:10")
    now = clock.now()
    told = {"symbol": symbol, "interval": "1m", "as_of": now}
    Series.objects.create(history_from=now, settled_to=now, **told)
    Cursor.objects.create(source="polygon", newest_ts=now, **told)
    Gap.objects.create(
        start=now, end=now + timedelta(minutes=1), bars=1, reason="absent", opened_at=now,
        source="polygon", **told,
    )  # fmt: skip
    QuarantinedBar.objects.create(
        ts=now, source="polygon", reason="split_like", detail=SCRIPT, open=645.57, **told
    )
    CollectionJob.objects.create(
        key="1m/T0/0", payload={"note": SCRIPT}, tier="T0", interval="1m", due_at=now,
        expires_at=now, not_before=now, state="failed", finished_at=now, error=SCRIPT,
        error_code="malformed",
    )  # fmt: skip
    keys.create("reader", ["read"])
    return commit


def page(model, name="changelist", *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model.__name__)
def test_every_list_opens(superuser, stocked, model):
    assert superuser.get(page(model)).status_code == 200


@pytest.mark.parametrize("model", LOOKED_AT)
def test_every_row_can_be_looked_at_but_not_changed(superuser, stocked, model):
    row = model.objects.get()
    response = superuser.get(page(model, "change", row.pk))
    assert response.status_code == 200
    assert SCRIPT not in response.content.decode()
    assert superuser.post(page(model, "change", row.pk), {"source": "mine"}).status_code == 403
    assert superuser.get(page(model, "delete", row.pk)).status_code == 403
    assert superuser.get(page(model, "add")).status_code == 403


def test_symbols_are_shown_by_ticker(superuser, stocked):
    for model in (Series, Cursor, Gap, QuarantinedBar):
        assert "AAPL" in superuser.get(page(model)).content.decode()


@pytest.mark.parametrize(
    ("model", "query", "found"),
    [
        (QuarantinedBar, "reason__exact=split_like", 1),
        (QuarantinedBar, "reason__exact=off_grid", 0),
        (QuarantinedBar, "source=polygon", 1),
        (QuarantinedBar, "source=yahoo", 0),
        (QuarantinedBar, "q=aapl", 1),
        (QuarantinedBar, "q=MSFT", 0),
        (QuarantinedBar, "interval=1d", 0),
        (Gap, "state__exact=open", 1),
        (Gap, "state__exact=filled", 0),
        (Gap, "symbol__tier=T2", 0),
        (CollectionJob, "state__exact=failed&tier=T0", 1),
        (CollectionJob, "tier=T1", 0),
        (CollectionJob, "q=malformed", 1),
        (CollectionJob, "q=1m/T0", 1),
        (Series, "symbol__tier=T0", 1),
        (IngestCommit, "source=polygon", 1),
        (IngestCommit, "q=nothing", 0),
    ],
)
def test_rows_are_found_by_filters_and_search(superuser, stocked, model, query, found):
    response = superuser.get(f"{page(model)}?{query}")
    assert response.status_code == 200
    assert response.context["cl"].result_count == found


@pytest.mark.parametrize("model", LOOKED_AT)
def test_a_list_costs_the_same_queries_however_long(
    superuser, stocked, model, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr(looking, "COUNTED_TO", 10)
    superuser.get(page(model))
    with django_assert_max_num_queries(9) as seen:
        superuser.get(page(model))
    counts = [query["sql"] for query in seen.captured_queries if "COUNT(" in query["sql"]]
    assert all("LIMIT 10" in sql for sql in counts)


def test_counts_of_big_tables_stop(monkeypatch, db):
    monkeypatch.setattr(looking, "COUNTED_TO", 3)
    for second in range(5):
        add_commit(f"2014-06-12T20:10:0{second}")
    pages = looking.BoundedPaginator(IngestCommit.objects.order_by("-as_of"), 2)
    assert (pages.count, pages.num_pages) == (3, 2)
    assert [commit.as_of for commit in pages.page(1)] == [
        moment("2014-06-12T20:10:04"), moment("2014-06-12T20:10:03"),
    ]  # fmt: skip
    monkeypatch.setattr(console, "COUNTED_TO", 3)
    assert console._told(console._up_to(IngestCommit.objects.all())) == "3+"


# ---- the index -------------------------------------------------------------------------------


def test_the_index_shows_what_wants_an_eye(superuser, stocked):
    html = superuser.get("/admin/").content.decode()
    for text in ("Gaps to repair", "Failed jobs", "Rejected bars", "Newest commits", "polygon"):
        assert text in html
    assert "?state__exact=failed" in html


def test_the_index_of_an_empty_service_opens(superuser):
    assert "Nothing is stored yet" in superuser.get("/admin/").content.decode()


def test_the_index_says_when_data_is_not_real(superuser, settings):
    settings.DATA_ORIGIN = "replayed"
    assert "Recorded sessions" in superuser.get("/admin/").content.decode()


def test_strangers_are_asked_to_log_in(client):
    response = client.get("/admin/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
    assert client.get("/admin/login/").status_code == 200


# ---- keys ------------------------------------------------------------------------------------


def test_keys_are_listed_and_never_shown(superuser):
    key = keys.create("reader", ["read"])
    row = ApiKey.objects.get()
    for address in (page(ApiKey), page(ApiKey, "change", row.pk)):
        html = superuser.get(address).content.decode()
        assert row.prefix in html
        assert key not in html
        assert row.digest not in html


def test_keys_are_revoked_here(superuser):
    key = keys.create("reader", ["read"])
    row = ApiKey.objects.get()
    data = {"action": "revoke", "_selected_action": [row.pk]}
    response = superuser.post(page(ApiKey), data, follow=True)
    assert "1 of 1 keys were in force" in response.content.decode()
    assert keys.recognise(key) is None


def test_keys_are_neither_made_nor_changed_nor_deleted_here(superuser):
    keys.create("reader", ["read"])
    row = ApiKey.objects.get()
    assert superuser.get(page(ApiKey, "add")).status_code == 403
    assert superuser.post(page(ApiKey, "change", row.pk), {"scopes": "ops"}).status_code == 403
    assert superuser.get(page(ApiKey, "delete", row.pk)).status_code == 403


def test_staff_without_the_permission_revokes_nothing(client, django_user_model):
    from django.contrib.auth.models import Permission

    keys.create("reader", ["read"])
    user = django_user_model.objects.create_user("op", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client.force_login(user)
    data = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    client.post(page(ApiKey), data)
    assert ApiKey.objects.get().revoked_at is None
