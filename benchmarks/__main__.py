"""`make bench`: every benchmark in a process of its own, then one table of what is promised.

    python -m benchmarks [NAME ...]      bench_NAME.py only

A benchmark prints its figures itself (benchmarks/measure.py). Those that have a bound are
repeated at the end. Ends with 1 when a benchmark failed or a bound was missed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent
_BOUND = re.compile(r"\bat (?:most|least) \S+: (ok|MISSED)")


def main(names: list[str]) -> int:
    """Run the benchmarks; return the process's exit code."""
    found = sorted(file.stem.removeprefix("bench_") for file in _FOLDER.glob("bench_*.py"))
    if unknown := sorted(set(names) - set(found)):
        print(f"No benchmark is called {', '.join(unknown)}: there are {', '.join(found)}")
        return 2
    kept: list[str] = []
    trouble = False
    for name in names or found:
        print(f"\n══ {name} ══", flush=True)
        code, lines = _run(name)
        bounded = [f"{name:<14} {line.strip()}" for line in lines if _BOUND.search(line)]
        kept += bounded
        if code:
            kept.append(f"{name:<14} FAILED with exit code {code}")
        trouble |= bool(code) or any("MISSED" in line for line in bounded)
    print("\n══ What is promised ══")
    print("\n".join(kept) or "nothing has a bound")
    return 1 if trouble else 0


def _run(name: str) -> tuple[int, list[str]]:
    """Run one benchmark, passing its output on as it comes."""
    started = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", f"benchmarks.bench_{name}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=_FOLDER.parent,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    print(f"  ({time.monotonic() - started:.0f} s)", flush=True)
    return process.returncode, lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
