"""The HTTP client against a server that breaks every promise."""

import gzip
import logging
import socket
import threading
import tracemalloc
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    ConnectionFailed,
    Malformed,
    ProviderError,
    RateLimited,
    ServerError,
    Timeout,
)
from ingestion.providers.http import BODY_CAP, HttpClient, VendorRules
from ingestion.providers.reply import Reply
from marketdata_site import clock
from tests.ingestion.providers.fake_vendor import Answer

SECRET = "k3y-that-nobody/may see"
MEGABYTE = 2**20
HALF_A_GZIP = gzip.compress(b"[" + b",".join(b"%d" % (n**5) for n in range(9999)))[:9999]


@pytest.fixture
def client(vendor, gate, opened):
    rules = VendorRules("polygon", cooldown_s=30, cooldown_max_s=100, ban_s=500)
    return opened(HttpClient(rules, gate, vendor.url, {"X-Key": "abc"}, [SECRET]))


def get(client, path="/data", **options):
    return client.get("aggs", path, Reply.document, **options)


def errors(code):
    labels = {"provider": "polygon", "endpoint": "aggs", "code": code}
    return REGISTRY.get_sample_value("provider_errors_total", labels) or 0


def latencies():
    labels = {"provider": "polygon", "endpoint": "aggs"}
    return REGISTRY.get_sample_value("provider_latency_ms_count", labels) or 0


# ---- what works --------------------------------------------------------------------------


def test_json_comes_back_decoded_with_headers_and_query_sent(client, vendor):
    vendor.on("/data", {"fine": [1, 2.5]})
    params = [("symbols", "A,B/C"), ("empty", "")]
    assert get(client, params=params, headers={"X-More": "1"}) == {"fine": [1, 2.5]}
    call = vendor.calls[0]
    assert call.query == {"symbols": "A,B/C", "empty": ""}
    assert call.headers["x-key"] == "abc"
    assert call.headers["x-more"] == "1"


def test_every_request_holds_a_slot_while_it_lasts(client, vendor, gate):
    vendor.on("/data", {})
    get(client)
    get(client)
    assert gate.slots == 2
    assert gate.inside == 0


def test_a_thread_keeps_its_connection(client, vendor):
    ports = set()
    vendor.on("/data", lambda call: {"agent": call.headers["user-agent"]})
    original = vendor._server.get_request

    def accept():
        connection, address = original()
        ports.add(address[1])
        return connection, address

    vendor._server.get_request = accept
    for _ in range(5):
        get(client)
    assert len(ports) == 1


def test_threads_have_connections_of_their_own(client, vendor):
    together = threading.Barrier(4)
    vendor.on("/data", lambda _: {"arrived": together.wait(10) < 4})
    results = []
    threads = [threading.Thread(target=lambda: results.append(get(client))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [{"arrived": True}] * 4  # four calls were in the server at once


def test_gzip_is_understood(client, vendor):
    vendor.on("/data", Answer(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}))
    assert get(client) == {"a": 1}


@pytest.mark.parametrize("said", ["synthetic", "replayed"])
def test_the_origin_is_read_from_its_header(client, vendor, said):
    vendor.on("/data", Answer({}, headers={"X-Market-Origin": said}))
    assert client.get("aggs", "/data", lambda reply: reply.origin) == said


def test_without_the_header_the_origin_is_the_vendor(client, vendor):
    vendor.on("/data", {})
    assert client.get("aggs", "/data", lambda reply: reply.origin) == "vendor"


def test_an_origin_that_nobody_knows_is_refused(client, vendor):
    vendor.on("/data", Answer({}, headers={"X-Market-Origin": "dreamt"}))
    with pytest.raises(Malformed, match="dreamt"):
        get(client)


def test_cookies_are_seen_but_never_sent_back_unasked(client, vendor):
    vendor.on("/data", Answer({}, headers={"Set-Cookie": "a=b; Path=/"}))
    assert client.get("aggs", "/data", lambda reply: reply.cookies) == ("a=b",)
    get(client)
    assert "cookie" not in vendor.calls[1].headers


def test_netrc_does_not_replace_our_credentials(client, vendor, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    vendor.on("/data", {})
    get(client, headers={"Authorization": "Bearer ours"})
    assert vendor.calls[0].headers["authorization"] == "Bearer ours"


# ---- bodies that are no answer -----------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(b""), "empty body"),
        (Answer(b"  \n"), "empty body"),
        (Answer(b"<html><body>We'll be back</body></html>"), "HTML"),
        (Answer(b"\xef\xbb\xbf \n<!DOCTYPE html>"), "HTML"),
        (Answer(b'{"a": 1}', content_type="text/html; charset=utf-8"), "HTML"),
        (Answer(b"service unavailable", content_type="text/plain"), "not JSON"),
        (Answer(b'{"a": NaN}'), "not JSON"),
        (Answer(b'{"a": Infinity}'), "not JSON"),
        (Answer(b'{"a": -Infinity}'), "not JSON"),
        (Answer(b'{"a": 1e999}'), "not JSON"),
        (Answer(b'{"a": [1, 2, '), "not JSON"),
        (Answer(b'{"a": 1} trailing'), "not JSON"),
        (Answer(b'{"a": "\xff"}'), "not JSON"),
        (Answer(b"[" * 100_000), "not JSON"),
        (Answer(b"not gzip", headers={"Content-Encoding": "gzip"}), "compressed"),
        (Answer(HALF_A_GZIP, headers={"Content-Encoding": "gzip"}), "not JSON"),
    ],
)
def test_what_is_no_json_is_malformed(client, vendor, answer, says):
    vendor.on("/data", answer)
    with pytest.raises(Malformed, match=says):
        get(client)


def test_a_body_shorter_than_declared_is_a_lost_connection(client, vendor):
    vendor.on("/data", Answer({"a": list(range(1000))}, cut=500))
    with pytest.raises(ConnectionFailed):
        get(client)


def test_a_chunked_body_that_ends_early_is_a_lost_connection(client, vendor):
    vendor.on("/data", Answer(b'{"a": 1}', chunks=1, cut=1))
    with pytest.raises(ConnectionFailed):
        get(client)


def test_a_reset_is_a_lost_connection(client, vendor):
    vendor.on("/data", Answer({"a": list(range(1000))}, cut=500, reset=True))
    with pytest.raises(ConnectionFailed):
        get(client)


def test_nobody_listening_is_a_lost_connection(gate, opened):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    client = opened(HttpClient(VendorRules("polygon"), gate, f"http://127.0.0.1:{port}"))
    with pytest.raises(ConnectionFailed, match="refused"):
        get(client)


def test_an_unknown_host_is_a_lost_connection(gate, opened):
    client = opened(HttpClient(VendorRules("polygon"), gate, "http://nowhere.invalid"))
    with pytest.raises(ConnectionFailed):
        get(client)


def test_fifty_megabytes_with_a_length_are_not_read(client, vendor):
    vendor.on("/data", Answer(b" " * (50 * MEGABYTE)))
    with pytest.raises(Malformed, match="more than 32 MB"):
        get(client)
    assert vendor.sent < BODY_CAP


def test_fifty_megabytes_of_unknown_length_are_cut_off(client, vendor):
    vendor.on("/data", Answer(b" " * MEGABYTE, chunks=50))
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="more than 32 MB"):
            get(client)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert vendor.finished == 0
    assert peak < BODY_CAP + 8 * MEGABYTE


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_gzip_bomb_does_not_fill_the_memory(client, vendor, chunks):
    bomb = gzip.compress(b" " * (300 * MEGABYTE))
    vendor.on("/data", Answer(bomb, headers={"Content-Encoding": "gzip"}, chunks=chunks))
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="more than 32 MB"):
            get(client)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BODY_CAP + 8 * MEGABYTE


def test_a_body_just_below_the_cap_is_read(client, vendor):
    vendor.on("/data", Answer(b'"' + b"x" * (BODY_CAP - 2) + b'"'))
    assert len(get(client)) == BODY_CAP - 2


# ---- slow answers ------------------------------------------------------------------------


@pytest.mark.parametrize("drip_headers", [False, True])
def test_a_dripping_server_cannot_hold_us(client, vendor, timeout_s, drip_headers):
    timeout_s(0.2)  # each byte comes well within it; all of them would take minutes
    vendor.on("/data", Answer(b" " * 10_000, drip_s=0.02, drip_headers=drip_headers))
    with pytest.raises(Timeout):
        get(client)
    assert vendor.finished == 0


def test_a_mute_server_times_out(client, vendor, timeout_s):
    timeout_s(0.2)
    vendor.on("/data", lambda _: {"late": vendor.stop.wait(30)})
    with pytest.raises(Timeout):
        get(client)


def test_after_a_timeout_the_next_call_is_sound(client, vendor, timeout_s):
    timeout_s(0.2)
    vendor.on("/data", Answer(b" " * 10_000, drip_s=0.02))
    with pytest.raises(Timeout):
        get(client)
    timeout_s(10)
    vendor.on("/data", {"a": 1})
    assert get(client) == {"a": 1}


def test_a_connect_that_goes_nowhere_times_out(gate, opened, timeout_s):
    timeout_s(0.2)
    with socket.socket() as full:  # its backlog of one is taken: further connects hang
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        held = []
        for _ in range(8):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(address)
            held.append(waiting)
        client = opened(HttpClient(VendorRules("polygon"), gate, f"http://127.0.0.1:{address[1]}"))
        with pytest.raises(Timeout):
            get(client)
        for waiting in held:
            waiting.close()


# ---- statuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Malformed),
        (401, AuthFailed),
        (404, Malformed),
        (408, Timeout),
        (413, Malformed),
        (418, Banned),
        (422, Malformed),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (599, ServerError),
        (204, Malformed),
        (206, Malformed),
    ],
)
def test_a_status_says_which_error(client, vendor, status, kind):
    vendor.on("/data", Answer("" if status == 204 else "no", status, content_type="text/plain"))
    with pytest.raises(ProviderError, match=str(status)) as raised:
        get(client)
    assert type(raised.value) is kind


def test_a_page_under_403_is_a_firewalls_ban(client, vendor, gate):
    vendor.on("/data", Answer("<html>Access denied</html>", 403, content_type="text/html"))
    with pytest.raises(Banned):
        get(client)
    assert gate.blocks == [("polygon", 500, "ban")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(client, vendor, status):
    vendor.on("/elsewhere", {"a": 1})
    vendor.on("/data", Answer("", status, {"Location": f"{vendor.url}/elsewhere?token=x"}))
    with pytest.raises(Malformed, match="redirects are not followed"):
        get(client)
    assert vendor.paths() == ["/data"]


def test_a_redirect_to_a_login_page_means_the_key(client, vendor):
    vendor.on("/data", Answer("", 302, {"Location": "https://vendor.example/login?next=%2Fdata"}))
    with pytest.raises(AuthFailed, match="login page"):
        get(client)


def test_the_status_counts_even_when_the_refusals_body_breaks_off(client, vendor):
    vendor.on("/data", Answer(b"x" * 1000, 503, cut=500, reset=True))
    with pytest.raises(ServerError):
        get(client)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": "99999999999"}, 86_400),
        (
            {
                "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
                "Retry-After": "Wed, 21 Oct 2015 07:28:42 GMT",
            },
            42,
        ),
        ({"Retry-After": "Wed, 21 Oct 2015 07:30:00 GMT"}, 60),  # against our clock
        ({"Retry-After": "Wed, 21 Oct 2015 07:20:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "X-RateLimit-Reset": "1445412500"}, 20),
        ({"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "X-RateLimit-Reset": "9945412500"}, None),
        ({"X-RateLimit-Reset": "later"}, None),
        ({}, None),
    ],
)
def test_what_a_429_asks_for(client, vendor, gate, headers, wait):
    clock.install(lambda: datetime(2015, 10, 21, 7, 29, tzinfo=UTC))
    vendor.on("/data", Answer("{}", 429, headers))
    with pytest.raises(RateLimited) as raised:
        get(client)
    assert raised.value.retry_after == wait
    assert gate.blocks == [("polygon", 30 if wait is None else wait, "rate_limited")]


def test_a_gate_without_room_is_no_vendors_error(vendor, opened):
    class Full:
        def slot(self, provider):
            raise RateLimited(provider, "limiter", "no room")

        def block(self, *_):
            raise AssertionError("nobody asked for a block")

    client = opened(HttpClient(VendorRules("polygon"), Full(), vendor.url))
    before = errors("rate_limited"), latencies()
    with pytest.raises(RateLimited):
        get(client)
    assert (errors("rate_limited"), latencies()) == before
    assert vendor.calls == []


# ---- counting and logging ----------------------------------------------------------------


def test_calls_and_errors_are_counted(client, vendor):
    before = latencies(), errors("http_5xx"), errors("malformed")
    vendor.on("/data", {})
    get(client)
    vendor.on("/data", Answer("", 500))
    with pytest.raises(ServerError):
        get(client)
    vendor.on("/data", Answer("<html>"))
    with pytest.raises(Malformed):
        get(client)
    assert (latencies(), errors("http_5xx"), errors("malformed")) == (
        before[0] + 3,
        before[1] + 1,
        before[2] + 1,
    )


def test_a_reader_that_refuses_an_answer_is_counted(client, vendor):
    vendor.on("/data", {})
    before = errors("malformed")

    def read(reply):
        raise reply.malformed("not what I asked for")

    with pytest.raises(Malformed):
        client.get("aggs", "/data", read)
    assert errors("malformed") == before + 1


def test_an_error_is_one_log_line_of_facts(client, vendor, caplog):
    vendor.on("/data", Answer("line one\nline two \x1b[31m" + "x" * 5000, 500))
    with caplog.at_level(logging.WARNING), pytest.raises(ServerError):
        get(client)
    (record,) = [record for record in caplog.records if record.name.startswith("ingestion")]
    facts = (record.provider, record.endpoint, record.code, record.pause_s)
    assert facts == ("polygon", "aggs", "http_5xx", None)
    message = record.getMessage()
    assert "\n" not in message
    assert "\x1b" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    "answer",
    [
        Answer(f"your key {SECRET} is bad", 401),
        Answer(f'{{"error": "{SECRET}"}}', 500),
        Answer(f"<html>{SECRET}</html>"),
        Answer(f"no JSON {SECRET}"),
        Answer("", 302, {"Location": f"/x/{SECRET.replace(' ', '%20').replace('/', '%2F')}"}),
        Answer(b"x" * 100, cut=50),
        Answer("x" * 130 + SECRET, 500),  # straddles the excerpt's end
    ],
)
def test_no_secret_gets_into_an_error_or_a_log(client, vendor, caplog, answer):
    vendor.on("/data", answer)
    with caplog.at_level(logging.DEBUG, "ingestion"), pytest.raises(ProviderError) as raised:
        get(client, params=[("token", SECRET)])
    said = f"{raised.value} {raised.value.detail} {caplog.text}"
    for part in (SECRET, SECRET[:8], "nobody%2Fmay"):
        assert part not in said


def test_no_secret_gets_out_of_a_failed_connection(gate, opened, caplog):
    client = opened(
        HttpClient(VendorRules("iex"), gate, "http://nowhere.invalid", secrets=[SECRET])
    )
    with caplog.at_level(logging.DEBUG, "ingestion"), pytest.raises(ConnectionFailed) as raised:
        get(client, params=[("token", SECRET)])
    assert raised.value.__suppress_context__
    assert "nobody" not in f"{raised.value} {caplog.text}"


def test_a_library_that_quotes_urls_does_not_log_them(client, vendor, caplog):
    vendor.on("/data", Answer({}, headers={"X-One": "1\r\nno colon in this line"}))
    assert get(client, params=[("token", SECRET)]) == {}
    assert "nobody" not in caplog.text


def test_a_key_that_cannot_be_sent_is_not_quoted(vendor, gate, opened, caplog):
    client = opened(HttpClient(VendorRules("iex"), gate, vendor.url, secrets=[SECRET]))
    with pytest.raises(ConnectionFailed, match="InvalidHeader") as raised:
        get(client, headers={"X-Key": f"{SECRET}\n"})
    assert "nobody" not in f"{raised.value} {caplog.text}"


def test_a_forked_process_does_not_share_connections(client, vendor, monkeypatch):
    vendor.on("/data", {})
    get(client)
    before = client._sessions.current()
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert client._sessions.current() is not before


def test_what_the_gate_refuses_is_not_counted_as_a_request(client, vendor):
    vendor.on("/data", {})
    requests_made = []
    get(client, on_request=lambda: requests_made.append(1))
    assert len(requests_made) == 1
