"""Tables of the bar store, the gap ledger and collection."""

from ingestion.models.candles import (
    CandleDaily,
    CandleIntraday,
    CandleStatus,
    RevisionDaily,
    RevisionIntraday,
)
from ingestion.models.commits import IngestCommit
from ingestion.models.jobs import CollectionJob, JobState
from ingestion.models.ledger import Gap, GapReason, GapState, NoTrade
from ingestion.models.provider_state import ProviderLimit
from ingestion.models.quarantine import QuarantinedBar, QuarantineReason
from ingestion.models.series import Cursor, Series

__all__ = [
    "CandleDaily",
    "CandleIntraday",
    "CandleStatus",
    "CollectionJob",
    "Cursor",
    "Gap",
    "GapReason",
    "GapState",
    "IngestCommit",
    "JobState",
    "NoTrade",
    "ProviderLimit",
    "QuarantineReason",
    "QuarantinedBar",
    "RevisionDaily",
    "RevisionIntraday",
    "Series",
]
