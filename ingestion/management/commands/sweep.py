"""manage.py sweep: plan live collection, for as long as it runs."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections

from ingestion.collection import supply
from ingestion.collection.sweep import Sweeper, SweepReport
from ingestion.tasks import nudge_live

log = logging.getLogger(__name__)

_TICK_S = 1.0


class Command(BaseCommand):
    """Run a sweeper until SIGTERM or Ctrl-C."""

    help = (
        "Plans live collection: every second it looks what is due by cadence and calendar and"
        " hands it to the live cluster. Any number may run at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="plan what is due now, and end")

    def handle(self, *_: Any, once: bool, **__: Any) -> None:
        """Tick until told to stop; a lost database is waited for."""
        stop = threading.Event()

        def end(_signal: int, _frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        sweeper = Sweeper(nudge_live, supply.per_minute)
        while not stop.is_set():
            self._tick(sweeper)
            if once:
                break
            stop.wait(_TICK_S)

    def _tick(self, sweeper: Sweeper) -> None:
        try:
            self._say(sweeper.tick())
        except DatabaseError:
            log.exception("the database does not answer; planning goes on when it does")
            close_old_connections()

    def _say(self, report: SweepReport) -> None:
        if report.planned:
            log.info(
                "planned %d jobs, %d new, %d overtaken",
                report.planned,
                report.inserted,
                report.expired,
            )
        for tier, stretch in report.stretch.items():
            log.warning("%s: the sources serve its symbols %.1f times slower", tier, stretch)
