"""The latest prices: of one symbol, and of many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from ingestion.api import documents, lookup
from ingestion.api.errors import InputInvalid
from ingestion.domain.bar_series import LatestBar
from ingestion.store import reader
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.session import date_of
from universe.models import Symbol
from universe.services import sessions

_NO_PRICE = dict.fromkeys(("price", "ts", "age_s", "interval", "source", "session", "hours"))


def _newest(symbols: Sequence[Symbol]) -> dict[int, tuple[Interval, LatestBar]]:
    """Each symbol's newest bar: a minute, or a day where it is of a later session."""
    ids = [symbol.pk for symbol in symbols]
    minutes = reader.latest(ids, Interval.MINUTE)
    newest = {id_: (Interval.MINUTE, bar) for id_, bar in minutes.items()}
    for id_, bar in reader.latest(ids, Interval.DAY).items():
        if id_ not in newest or bar.ts > newest[id_][1].ts:
            newest[id_] = (Interval.DAY, bar)
    return newest


def _price(
    ticker: str, symbol: Symbol, newest: Mapping[int, tuple[Interval, LatestBar]], now: int
) -> dict[str, Any]:
    if symbol.pk not in newest:
        return {"symbol": ticker, **_NO_PRICE, "quote": None}
    interval, bar = newest[symbol.pk]
    return {
        "symbol": ticker,
        "price": bar.close,
        "ts": bar.ts,
        "age_s": max(now - bar.ts, 0),
        "interval": interval,
        "source": bar.source,
        "session": _session_date(symbol, interval, bar.ts),
        "hours": "extended" if bar.extended else "regular",
        "quote": None,
    }


def _origin(newest: Mapping[int, tuple[Interval, LatestBar]]) -> str:
    return lookup.origin(tuple({bar.source for _, bar in newest.values()}))


def _session_date(symbol: Symbol, interval: Interval, ts: int) -> str:
    if interval is Interval.DAY:
        return str(date_of(ts))
    label = sessions.grid(symbol.calendar_id).labels_at(np.array([ts]))[0]
    return str(date_of(int(label)))


def _json(body: object) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


class PriceView(APIView):
    """The latest price of one symbol."""

    required_scope = "read"

    @extend_schema(
        operation_id="price",
        summary="Latest price",
        description="The close of the newest stored bar, extended hours included.",
        parameters=[documents.SYMBOL],
        responses=documents.SymbolPrice,
        tags=[documents.TAG],
    )
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """The close of the newest stored bar."""
        for name, value in request.query_params.items():
            raise InputInvalid(name, value, "this address takes no parameters")
        found = lookup.find(symbol)
        newest = _newest([found])
        price = _price(symbol.upper(), found, newest, clock.now_epoch())
        return _json({**price, "origin": _origin(newest)})


class BatchView(APIView):
    """The latest prices of many symbols."""

    required_scope = "read"

    @extend_schema(
        operation_id="batch",
        summary="Latest prices of many symbols",
        description=(
            f"Up to {documents.MAX_BATCH} symbols. Unknown ones are named in `unknown`, and the"
            " others answered all the same."
        ),
        request=documents.BatchRequest,
        responses=documents.Batch,
        tags=[documents.TAG],
    )
    def post(self, request: Request) -> HttpResponse:
        """A price each."""
        found, unknown = lookup.find_many(_tickers(request.data))
        newest = _newest(list(found.values()))
        now = clock.now_epoch()
        return _json(
            {
                "origin": _origin(newest),
                "prices": [_price(ticker, symbol, newest, now) for ticker, symbol in found.items()],
                "unknown": unknown,
            }
        )


def _tickers(body: object) -> list[str]:
    if not isinstance(body, dict):
        raise InputInvalid("body", type(body).__name__, 'an object: {"symbols": ["AAPL", …]}')
    for name in body:
        if name != "symbols":
            raise InputInvalid(str(name), body[name], "the only field is symbols")
    symbols = body.get("symbols")
    bound = f"a list of 1 to {documents.MAX_BATCH} tickers"
    if not isinstance(symbols, list) or not 1 <= len(symbols) <= documents.MAX_BATCH:
        count = f"{len(symbols)} of them" if isinstance(symbols, list) else repr(symbols)
        raise InputInvalid("symbols", count, bound)
    for position, ticker in enumerate(symbols):
        if not isinstance(ticker, str):
            raise InputInvalid(f"symbols[{position}]", ticker, "a ticker, as text")
    return list(dict.fromkeys(ticker.upper() for ticker in symbols))
