"""What every recipe has: a folder of data, one of results that lets it go on, and a command that says how far it is."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embeddings.errors import EmbeddingError


class Stages:
    """The frame of a recipe: its folders, what it keeps in them, and the minutes since it started."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data = data
        self.out = out
        self.started = time.monotonic()

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the JSON value in the file ``name`` of the results, which ``make`` makes if it is not there."""
        file = self.out / name
        if not file.exists():
            building = file.with_suffix(".building")
            building.write_text(json.dumps(make(), ensure_ascii=False), "utf-8")
            os.replace(building, file)
        return json.loads(file.read_text("utf-8"))

    def say(self, text: str) -> None:
        """Print a line with the minutes since the start."""
        print(f"{(time.monotonic() - self.started) / 60:6.1f} min  {text}", file=sys.stderr, flush=True)


def recipe_parser(module: str, description: str | None, *, steps: int, seed: int) -> argparse.ArgumentParser:
    """Return the options of a recipe; ``steps`` and ``seed`` are its defaults."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the training data")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the results, kept for going on"
    )
    parser.add_argument("--steps", type=int, default=steps, help="steps of training (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=seed)
    return parser


def run_recipe(run: Callable[[], None], out: Path) -> int:
    """Run a recipe that keeps its results in ``out``; return the exit code, 1 for an error that was reported."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        run()
    except (EmbeddingError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
