"""Runs one benchmark in this process and writes its figures: `python -m tests.benchmarks.one`.

Standard output is left to the measured handlers, which log to it as they do in Lambda.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.benchmarks.catalogue import BENCHMARKS, load


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.one", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("folder", type=Path, help="a scratch folder")
    parser.add_argument("result", type=Path, help="the JSON file to write")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    figures = load(options.name)(options.folder, quick=options.quick)
    options.result.write_text(json.dumps([figure.to_json() for figure in figures]))


if __name__ == "__main__":
    main()
