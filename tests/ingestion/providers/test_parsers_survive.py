"""Whatever a vendor sends, a parser gives bars or a ProviderError, never anything else."""

import copy
import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.domain.bar_batch import Bars
from ingestion.providers.alpaca.parse import parse_bars
from ingestion.providers.errors import ProviderError
from ingestion.providers.finnhub.parse import parse_candles
from ingestion.providers.iex.parse import parse_batch, parse_days, parse_minutes
from ingestion.providers.polygon.parse import parse_aggs, parse_grouped
from ingestion.providers.screening import CLOCK_TOLERANCE_S
from ingestion.providers.yahoo.parse import parse_chart
from tests.ingestion.providers.asking import NEW_YORK, days, epoch, minutes, stock, window

NOW = "2026-01-05T15:30:30"
REQUESTS = {
    "minutes": minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("A"), stock("B")),
    "days": days("2026-01-02", "2026-01-06", stock("A"), stock("B")),
}
OWNERS = {"A": 0, "B": 1}


def bars_of(parsed):
    return Bars.empty() if parsed is None else parsed.bars


PARSERS = {
    "polygon": lambda document, w: parse_aggs(document, "A", w).parsed.bars,
    "polygon grouped": lambda document, w: parse_grouped(document, OWNERS, w).parsed.bars,
    "alpaca": lambda document, w: parse_bars(document, OWNERS, w).parsed.bars,
    "alpaca crypto": lambda d, w: parse_bars(d, OWNERS, w, quotes_too=True).parsed.bars,
    "finnhub": lambda document, w: bars_of(parse_candles(document, w)),
    "yahoo": lambda document, w: bars_of(parse_chart(document, "A", w)),
    "iex minutes": lambda document, w: parse_minutes(document, w).bars,
    "iex days": lambda document, w: parse_days(document, w).bars,
    "iex batch": lambda document, w: Bars.join(
        [part.bars for part in parse_batch(document, OWNERS, w)[0].values()]
    ),
}


# fmt: off
KEYS = st.sampled_from([
    "t", "o", "h", "l", "c", "v", "n", "vw", "T", "s", "A", "B", "bars", "results", "result",
    "resultsCount", "status", "ticker", "next_url", "adjusted", "next_page_token", "chart",
    "error", "meta", "timestamp", "indicators", "quote", "open", "high", "low", "close", "volume",
    "symbol", "exchangeTimezoneName", "currentTradingPeriod", "regular", "start", "end",
    "dataGranularity", "date", "minute", "average", "numberOfTrades", "uOpen", "uHigh", "uLow",
    "uClose", "uVolume", "intraday-prices",
])
TEXTS = st.sampled_from([
    "2026-01-05T15:00:00Z", "2026-01-05T05:00:00Z", "2026-01-05", "10:00", "A", "ok", "no_data",
    "1m", "1d", "UTC", NEW_YORK, "Asia/Tokyo", "NaT", "", "OK", "9999-12-31T23:59:59Z",
])
# fmt: on
INSIDE = epoch("2026-01-05T15:00")
TIMES = st.sampled_from(
    [INSIDE, INSIDE * 1000, INSIDE + 60, (INSIDE + 60) * 1000, INSIDE + 7, epoch("2026-01-05")]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TIMES
    | TEXTS
    | st.text(max_size=25)
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=10)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=30,
)

# Sound documents, in which a few places are then put out of order, get past the first checks.

MS = INSIDE * 1000
BAR = {"o": 10.0, "h": 12, "l": 9.5, "c": 11.0, "v": 100, "n": 4, "vw": 10.25}
DAY_MS = epoch("2026-01-05T05:00") * 1000
UTC_DAYS = [epoch("2026-01-02"), epoch("2026-01-05")]


def aggs(*times):
    rows = [{"t": t, "T": ticker, **BAR} for t, ticker in zip(times, "AB", strict=True)]
    return {"ticker": "A", "status": "OK", "resultsCount": 2, "results": rows}


def alpaca(*times):
    rows = [{"t": t, **BAR} for t in times]
    return {"bars": {"A": rows, "B": rows[:1]}, "next_page_token": None}


def finnhub(*times):
    return {**{name: [BAR[name]] * 2 for name in "ohlcv"}, "t": list(times), "s": "ok"}


def yahoo(*times):
    names = ("open", "high", "low", "close", "volume")
    quote = {name: [BAR[name[0]], BAR[name[0]]] for name in names}
    regular = {"start": epoch("2026-01-05T14:30"), "end": epoch("2026-01-05T21:00")}
    zone = {"exchangeTimezoneName": NEW_YORK}
    meta = {"symbol": "A", **zone, "currentTradingPeriod": {"regular": regular}}
    result = {"meta": meta, "timestamp": list(times), "indicators": {"quote": [quote]}}
    return {"chart": {"result": [result], "error": None}}


def iex(*times):
    prices = {"open": 10, "high": 12, "low": 9, "close": 11, "volume": 5, "average": 10.5}
    raw = {f"u{name.title()}": value for name, value in prices.items()}
    more = {"numberOfTrades": 3, **prices, **raw}
    return [{"date": "2026-01-05", "minute": minute, **more} for minute in times]


SOUND = {
    "polygon": (aggs(MS, MS + 60_000), aggs(DAY_MS, DAY_MS - 3 * 86_400_000)),
    "alpaca": (
        alpaca("2026-01-05T15:00:00Z", "2026-01-05T15:01:00Z"),
        alpaca("2026-01-02T05:00:00Z", "2026-01-05T05:00:00Z"),
    ),
    "alpaca crypto": (
        alpaca("2026-01-05T15:00:00Z", "2026-01-05T15:01:00Z"),
        alpaca("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"),
    ),
    "finnhub": (finnhub(INSIDE, INSIDE + 60), finnhub(*UTC_DAYS)),
    "yahoo": (
        yahoo(INSIDE, INSIDE + 60),
        yahoo(epoch("2026-01-02T14:30"), epoch("2026-01-05T14:30")),
    ),
    "iex minutes": (iex("10:00", "10:01"), None),
    "iex days": (None, iex("10:00")),
    "iex batch": ({"A": {"intraday-prices": iex("10:00", "10:01")}, "B": {}}, None),
}
SOUND["polygon grouped"] = SOUND["polygon"]


def places(document):
    """Every container in the document and key in it, from the outside inwards."""
    keys = document if isinstance(document, dict) else range(len(document))
    for key in list(keys):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from places(document[key])


@st.composite
def disordered(draw, document):
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 3))):
        if found := list(places(document)):
            container, key = draw(st.sampled_from(found))
            if draw(st.integers(0, 4)):
                container[key] = draw(SCALARS | st.sampled_from([[], {}, [None], [[]], {"a": 1}]))
            else:
                del container[key]
    return document


def asked_of(parser, interval):
    return window(REQUESTS[interval], NOW, "UTC" if parser == "alpaca crypto" else NEW_YORK)


def check(parser, document, interval):
    request, asked = REQUESTS[interval], asked_of(parser, interval)
    wire = orjson.loads(json.dumps(document))  # exactly what JSON can carry
    try:
        bars = PARSERS[parser](wire, asked)
    except ProviderError:
        return
    assert np.all((bars.ts >= request.range.start) & (bars.ts < request.range.end))
    if interval == "minutes":
        assert np.all(bars.ts + 60 <= asked.asked_at + CLOCK_TOLERANCE_S)
    assert set(bars.owner.tolist()) <= {0, 1}
    for column in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        assert all(math.isfinite(number) for number in column.tolist())


@pytest.mark.parametrize("interval", ["minutes", "days"])
@pytest.mark.parametrize("parser", PARSERS)
def test_any_document_at_all(parser, interval):
    @settings(max_examples=60, deadline=None)
    @given(DOCUMENTS)
    def run(document):
        check(parser, document, interval)

    run()


@pytest.mark.parametrize(
    ("parser", "interval", "sound"),
    [
        (parser, interval, sound)
        for parser, documents in SOUND.items()
        for interval, sound in zip(REQUESTS, documents, strict=True)
        if sound is not None
    ],
)
def test_sound_documents_put_out_of_order(parser, interval, sound):
    assert len(PARSERS[parser](sound, asked_of(parser, interval)))

    @settings(max_examples=100, deadline=None)
    @given(disordered(sound))
    def run(document):
        check(parser, document, interval)

    run()
