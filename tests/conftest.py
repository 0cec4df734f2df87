"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def market_data_dir() -> Path:
    """The folder of real sessions and recorded vendor answers; a test skips without it."""
    folder = os.environ.get("MARKETDATA_TEST_DATA")
    if not folder:
        pytest.skip("MARKETDATA_TEST_DATA is not set: no recorded data to test against")
    return Path(folder)
