"""manage.py sweep: plan live collection, for as long as it runs."""

from __future__ import annotations

import logging
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections

from ingestion.collection import supply
from ingestion.collection.sweep import Sweeper, SweepReport
from ingestion.tasks import nudge_live
from marketdata_site.outage import OutageLog

log = logging.getLogger(__name__)

_TICK_S = 1.0
_STOPPING = (signal.SIGTERM, signal.SIGINT)


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
        self._outage = OutageLog(log)
        sweeper = Sweeper(nudge_live, supply.per_minute)
        self._tick(sweeper)
        if once:
            return
        # The signals are waited for, not handled: a handler could come in the middle of
        # anything. One that arrives during a tick ends the loop after it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        while signal.sigtimedwait(_STOPPING, _TICK_S) is None:
            self._tick(sweeper)

    def _tick(self, sweeper: Sweeper) -> None:
        try:
            report = sweeper.tick()
        except DatabaseError as error:
            self._outage.away(error)
            close_old_connections()
        else:
            self._outage.back()
            self._say(report)

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
