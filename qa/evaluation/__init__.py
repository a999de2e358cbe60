"""Question sets to predictions, metrics and reports: how often is it right?

questions -> systems -> predictions -> metrics -> report. What is measured and how: docs/evaluation.md.
"""
