"""Tiers: how much a symbol matters. Cadence, service levels, caps and priority follow."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """T0 first, T2 last."""

    T0 = "T0"
    T1 = "T1"
    T2 = "T2"
