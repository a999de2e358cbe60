"""Question sets to predictions, metrics and reports: how often is it right?

questions -> systems -> predictions -> metrics -> report. What is measured and how: docs/evaluation.md.
"""

from __future__ import annotations

from typing import Literal, get_args

SystemName = Literal["tanya", "bm25-sentence", "dense-only"]
SYSTEMS: tuple[SystemName, ...] = get_args(SystemName)
"""What can be evaluated; named here so that parsing options loads no models."""
