"""Bars that were rejected for a jump: when the next ones agree with them, the jump was real."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from ingestion.domain.bar_batch import Int64s
from ingestion.domain.neighbours import NEIGHBOUR_DAYS, Stored
from ingestion.models import QuarantinedBar, QuarantineReason
from marketdata_site import clock
from universe.domain.interval import Interval

_JUMPS = (QuarantineReason.SPLIT_LIKE, QuarantineReason.ABSURD_JUMP)


def rejected_lately(interval: Interval, symbol_ids: Int64s) -> Stored:
    """The bars of the symbols that are in quarantine for a jump, NEIGHBOUR_DAYS back."""
    rows = (
        QuarantinedBar.objects.filter(
            symbol_id__in=symbol_ids.tolist(),
            interval=interval,
            reason__in=_JUMPS,
            ts__gte=clock.now() - timedelta(days=NEIGHBOUR_DAYS),
        )
        .order_by("symbol_id", "ts")
        .values_list("symbol_id", "ts", "open", "close")
    )
    found = [(id_, int(ts.timestamp()), o, c) for id_, ts, o, c in rows]
    owner, ts, opens, closes = zip(*found, strict=True) if found else ((),) * 4
    return Stored(
        np.array(owner, np.int64),
        np.array(ts, np.int64),
        np.array(opens, np.float64),
        np.array(closes, np.float64),
    )
