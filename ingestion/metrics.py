"""What ingestion counts. Label sets that are known beforehand start at zero.

Counters and histograms only: gauges about the whole fleet (lag, open markets) are computed
from the database when they are scraped.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from ingestion.domain.source import Capability
from ingestion.models.quarantine import QuarantineReason
from universe.domain.interval import Interval

_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)

PROVIDERS = ("polygon", "alpaca", "finnhub", "yahoo", "iex")

provider_selected = Counter(
    "provider_selected", "Answers used, by the provider that gave them", ["capability", "provider"]
)
provider_errors = Counter(
    "provider_errors", "Vendor calls that failed", ["provider", "endpoint", "code"]
)
provider_latency_ms = Histogram(
    "provider_latency_ms", "Milliseconds a vendor call took", ["provider", "endpoint"], buckets=_MS
)
limiter_errors = Counter(
    "limiter_errors", "Times the call limiter's store did not answer", ["store"]
)
jobs_processed = Counter("jobs_processed", "Jobs finished", ["type", "provider"])
gaps_found = Counter("gaps_found", "Expected bars newly put in the gap ledger", ["interval"])
bars_written = Counter("bars_written", "Candles inserted or corrected", ["interval", "change"])
bars_quarantined = Counter("bars_quarantined", "Bars rejected by a quality rule", ["reason"])
bars_dropped = Counter(
    "bars_dropped",
    "Vendor rows that are no bars, by why they were left out",
    ["provider", "reason"],
)
write_batch_ms = Histogram("write_batch_ms", "Milliseconds one write transaction took", buckets=_MS)
write_conflicts = Counter(
    "write_conflicts", "Unique violations on the bar path: each one is a bug to report"
)

for _capability in Capability:
    for _provider in PROVIDERS:
        provider_selected.labels(_capability, _provider)
for _store in ("database", "redis"):
    limiter_errors.labels(_store)
for _interval in Interval:
    gaps_found.labels(_interval)
    for _change in ("inserted", "corrected", "withdrawn"):
        bars_written.labels(_interval, _change)
for _reason in QuarantineReason:
    bars_quarantined.labels(_reason)
