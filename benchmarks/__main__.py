"""Measure, and write the page: `make bench`, `make bench BENCH_ARGS='--only plan,start'`.

Results are kept by section: what is not measured again stays as it was, as long as the machine is the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import page, plot
from benchmarks.bench import ROUNDS, Bench
from benchmarks.cluster import ROOT
from benchmarks.machine import machine, made
from benchmarks.measure import WrongWork
from benchmarks.sections import SECTIONS

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "pictures" / "benchmarks.svg"


def main() -> None:
    """Read the arguments, measure, write."""
    wanted = _arguments()
    results, text, picture = RESULTS, PAGE, PICTURE
    if wanted.into:
        wanted.into.mkdir(parents=True, exist_ok=True)
        results, text, picture = (wanted.into / path.name for path in (RESULTS, PAGE, PICTURE))
    if wanted.render and not results.exists():
        raise WrongWork(f"nothing was measured yet: there is no {results}")
    document: dict[str, Any] = json.loads(results.read_text("utf-8")) if results.exists() else {}
    if not wanted.render:
        bench = Bench(wanted.rounds, wanted.scale, wanted.on)
        document = _kept(document, bench)
        for name in wanted.only:
            found = SECTIONS[name](bench)
            document["sections"][name] = made() | {"scale": bench.scale, "rounds": bench.rounds} | found
            results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text.write_text(page.page(document), encoding="utf-8")
    picture.write_text(plot.picture(document), encoding="utf-8")
    print(f"Wrote {text}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=_names, default=list(SECTIONS), help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each comparison")
    parser.add_argument("--scale", type=float, default=1.0, help="numbers of cells are multiplied by it")
    parser.add_argument("--on", type=Path, default=Bench().where, help="a directory on the disk for stores")
    parser.add_argument("--into", type=Path, help="write everything into this directory, not into docs/")
    parser.add_argument("--render", action="store_true", help="measure nothing; write the page again")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"no such section: {', '.join(sorted(unknown))}")
    return names


def _kept(document: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """What was measured on this machine before; nothing from another one."""
    here = machine(bench.where)
    if document and document["machine"] != here:
        bench.say("the results so far are of another machine, or other versions: they are dropped")
        document = {}
    return {"machine": here, "sections": document.get("sections", {})}


if __name__ == "__main__":
    try:
        main()
    except WrongWork as wrong:
        sys.exit(f"error: {wrong}")
