"""Serve the vendors' wire formats from this machine."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingestion.sandbox.listings import SAMPLE_UNIVERSE, UniverseUnreadable, read_universe
from ingestion.sandbox.market import Market
from ingestion.sandbox.quirks import Quirks
from ingestion.sandbox.replay import ReplayMarket
from ingestion.sandbox.replay_files import NothingToReplay
from ingestion.sandbox.server import SandboxServer
from ingestion.sandbox.simulation import VENDORS, Simulation
from ingestion.sandbox.synthetic import SyntheticMarket
from marketdata_site.call_limits import CallLimits
from universe.services.exchange_hours import UnknownCalendar

_ENDINGS = {signal.SIGTERM, signal.SIGINT}


class Command(BaseCommand):
    """`manage.py sandbox`: no database, no keys, no network."""

    help = (
        "Serve bars in the formats of polygon, alpaca, finnhub, yahoo and iex on this machine,"
        " from a synthetic market or from recorded sessions (--replay)."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=8100, help="0: any free one")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--replay", type=Path, metavar="DIR",
            help="serve recorded sessions (Lean layout) at the clock's time",
        )  # fmt: skip
        parser.add_argument("--universe", type=Path, help="CSV of what is listed")
        parser.add_argument("--seed", type=int, default=0, help="which synthetic market")
        parser.add_argument(
            "--limit", action="append", default=[], metavar="PROVIDER=5/minute",
            help="answer 429 beyond this; several bounds after commas; repeatable",
        )  # fmt: skip
        parser.add_argument(
            "--quirk", action="append", default=[], metavar="NAME=on|off",
            help="switch a vendor's habit; repeatable",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        try:
            simulation = Simulation(
                _market(options), _limits(options["limit"]), Quirks.parse(options["quirk"])
            )
        except (UniverseUnreadable, UnknownCalendar, NothingToReplay, ValueError) as error:
            raise CommandError(str(error)) from error
        try:
            server = SandboxServer(simulation, options["host"], options["port"])
        except OSError as error:
            place = f"{options['host']}:{options['port']}"
            raise CommandError(f"cannot listen on {place}: {error.strerror}") from error
        # Blocked for every thread and waited for: a handler would run in the middle of
        # whatever the main thread does, and may find a lock held.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        server.start()
        count, origin = len(simulation.market.listings), simulation.market.origin
        self.stdout.write(f"sandbox ready at {server.url} ({origin} data, {count:,} tickers)")
        self.stdout.flush()
        signal.sigwait(_ENDINGS)
        server.stop()


def _market(options: dict[str, Any]) -> Market:
    if options["replay"]:
        if options["universe"]:
            raise ValueError("--universe and --replay exclude each other")
        return ReplayMarket(options["replay"])
    listings = read_universe(options["universe"] or SAMPLE_UNIVERSE)
    return SyntheticMarket(listings, options["seed"])


def _limits(settings: list[str]) -> dict[str, CallLimits]:
    limits = {}
    for setting in settings:
        provider, _, text = setting.partition("=")
        if provider not in VENDORS:
            raise ValueError(f"--limit {setting}: {provider!r} is none of {', '.join(VENDORS)}")
        limits[provider] = CallLimits.parse(text)
    return limits
