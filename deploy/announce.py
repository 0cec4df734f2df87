"""Says where to look, once there is something to see: python -m deploy.announce.

Waits until the service calls itself healthy and serves its first bars, prints the addresses
and ends. The launcher starts it beside the service's processes and hands it an
`Announcement` as JSON in the variable of that name: no argument, as it holds a password.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEALTHY_WITHIN_S = 120.0
BARS_WITHIN_S = 150.0
_LOOK_EVERY_S = 0.5
_RULE = "─" * 80


@dataclass(frozen=True)
class Announcement:
    """What there is to say."""

    port: int
    origin: str
    ticker: str
    password_file: str
    new_password: str | None
    """Shown at the first start only; afterwards it is in the file."""
    launcher: int
    """The launcher's process: when it is gone there is nothing left to announce."""

    def to_json(self) -> str:
        """What `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Announcement:
        """What `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def address(self) -> str:
        """Where the service listens."""
        return f"http://127.0.0.1:{self.port}"

    def text(self, state: str) -> str:
        """The screen that a newcomer reads; `state` says whether there is data yet."""
        password = f"password {self.new_password}, kept" if self.new_password else "password"
        admin = f"user admin, {password} in\n            {self.password_file}"
        if not Path(self.password_file).exists():
            admin = "as the superuser that was there already"
        return f"""
{_RULE}
  Market Data Service is running at {self.address}

  {self.origin}

  admin     {self.address}/admin/   {admin}
  API docs  {self.address}/api/docs
  health    {self.address}/health

  Try:
    curl '{self.address}/stocks/{self.ticker}/intraday'
    curl '{self.address}/stocks/{self.ticker}/price'
    curl -H 'Content-Type: application/json' -d '{{"symbols": ["{self.ticker}", "AAPL"]}}' \\
         '{self.address}/stocks/batch'

  {state}
  Ctrl-C stops everything; the data stays.
{_RULE}
"""


def announce(what: Announcement) -> None:
    """Wait, then print. Says nothing when the launcher has gone."""
    if not _wait(what, "/health", HEALTHY_WITHIN_S, lambda _: True):
        return
    if _wait(what, f"/stocks/{what.ticker}/intraday", BARS_WITHIN_S, _has_bars):
        state = f"Bars of {what.ticker} are coming in."
    else:
        state = f"There are no bars of {what.ticker} yet; the lines above say what goes on."
    if _lives(what.launcher):
        print(what.text(state), flush=True)


def _wait(
    what: Announcement, path: str, seconds: float, enough: Callable[[dict[str, Any]], bool]
) -> bool:
    """True as soon as `path` answers 200 with `enough`; False at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _lives(what.launcher):
        try:
            # S310: the address is the launcher's own.
            with urllib.request.urlopen(what.address + path, timeout=5) as answer:  # noqa: S310
                if enough(json.load(answer)):
                    return True
        except (OSError, ValueError):
            pass  # not there yet: that is what this waits for
        time.sleep(_LOOK_EVERY_S)
    return False


def _has_bars(answer: dict[str, Any]) -> bool:
    return bool(answer.get("bars", {}).get("t"))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    announce(Announcement.from_json(os.environ["ANNOUNCEMENT"]))
