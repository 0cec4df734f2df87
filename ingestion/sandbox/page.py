"""The page at `/`: what this server is."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from ingestion.sandbox.faults import PARAMETERS
from ingestion.sandbox.simulation import VENDORS, Simulation

_EXPLAINED = {
    "synthetic": "Every price here is made up: computed from a hash of ticker and minute.",
    "replayed": "These are recorded sessions, shown as if they happened at the clock's time.",
}


def front_page(simulation: Simulation) -> str:
    """What the sandbox is, what it serves and where, as HTML."""
    market = simulation.market
    shown = datetime.fromtimestamp(simulation.now(), UTC).isoformat(timespec="seconds")
    vendors = "".join(f"<li><code>/{name}</code></li>" for name in VENDORS)
    kinds = "".join(
        f"<tr><td><code>{kind}</code></td><td>{escape(', '.join(parameters)) or '–'}</td></tr>"
        for kind, parameters in PARAMETERS.items()
    )
    tickers = list(market.listings)
    sample = escape(", ".join(tickers[:12])) + (" …" if len(tickers) > 12 else "")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Market data sandbox</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto;
  padding: 0 1rem; color-scheme: light dark; }}
.origin {{ border-left: .3rem solid #b45309; padding: .2rem .8rem; }}
code {{ font-size: .9em; }} td {{ padding: .1rem 1rem .1rem 0; }}
</style></head><body>
<h1>Market data sandbox</h1>
<p class="origin"><strong>{market.origin} data.</strong> {_EXPLAINED[market.origin]}
No vendor is asked, and the key is <code>sandbox</code>.</p>
<p>Its clock reads <time>{shown}</time>. It lists {len(tickers):,} tickers: {sample}</p>
<h2>Vendors</h2><ul>{vendors}</ul>
<h2>Look inside</h2><ul>
<li><a href="/_sandbox/stats">/_sandbox/stats</a>: calls by provider, and the fullest windows</li>
<li><a href="/_sandbox/faults">/_sandbox/faults</a>: faults in force; POST one, DELETE them</li>
<li><a href="/_sandbox/quirks">/_sandbox/quirks</a>: the vendors' habits; POST to switch one</li>
<li><a href="/_sandbox/listings">/_sandbox/listings</a>: every ticker</li>
<li><code>/_sandbox/truth?symbol=&amp;start=&amp;end=&amp;interval=1m|1d</code>: the true bars</li>
</ul>
<h2>Faults</h2><table>{kinds}</table>
</body></html>
"""
