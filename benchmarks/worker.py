"""Runs one step in a process of its own, so that its memory and its first calls are its own.

``python -m benchmarks.worker STEP WORK ARGUMENTS RESULT``: the step's function (``tanya.ask``), the work folder, its
keyword arguments as JSON, and the file its figures go to. Started by ``benchmarks.plan``.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import peak_memory
from benchmarks.work import Work, write_json


def call(step: str, work: Work, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run ``step`` here and return its figures, with ``peak_memory`` in bytes unless it says so itself."""
    module, function = step.split(".")
    figures: dict[str, Any] = getattr(importlib.import_module(f"benchmarks.{module}"), function)(
        work, **arguments
    )
    return {"peak_memory": peak_memory(), **figures}


if __name__ == "__main__":
    named, root, given, result = sys.argv[1:]
    write_json(Path(result), call(named, Work(Path(root)), json.loads(given)))
