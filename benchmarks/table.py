"""Raw figures to the table people read: medians, both systems, and by how much one is ahead."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

from benchmarks.baseline_model import NAME as BASELINE_MODEL

Figures = dict[str, Any]
NO_READING = "no reading"


@dataclass(frozen=True, slots=True)
class Row:
    """One measure. ``ratio`` is above 1 where Tanya is ahead; ``None`` where there is nothing to compare."""

    label: str
    tanya: str
    baseline: str | None
    ratio: float | None


def rows(figures: Figures) -> list[Row]:
    """Return the table of ``benchmarks.plan.measure``'s figures, without the indexes' rows if there were none."""
    tanya, baseline = figures["tanya"], figures.get("baseline")
    compared = [
        _compare("embedding, words a second", tanya, baseline, words_per_second, _count, more_is_better=True),
        _compare("encoding one question, p50", tanya, baseline, _over("encode", median), _milliseconds),
        _compare(
            "reading 8 passages of 120 words, p50", tanya, baseline, _over("read", median), _milliseconds
        ),
        _compare(
            "reading 8 passages of 120 words, p95",
            tanya,
            baseline,
            _over("read", percentile_95),
            _milliseconds,
        ),
    ]
    if "build" in tanya:
        compared += _index_rows(figures, tanya, baseline)
    return [replace(row, baseline=None) for row in compared] if baseline is None else compared


def _index_rows(figures: Figures, tanya: Figures, baseline: Figures | None) -> list[Row]:
    chunks = tanya["build"]["chunks"]
    compared = [
        _compare(
            f"time to index {chunks:,} chunks", tanya, baseline, lambda one: indexing(one, figures), _seconds
        ),
        _compare("size on disk", tanya, baseline, lambda one: one["build"]["bytes"], _bytes),
        _compare("memory at its peak, searching", tanya, baseline, lambda one: peak(one["search"]), _bytes),
        Row("memory at its peak, answering", _bytes(peak(tanya["ask"])), NO_READING, None),
        Row("memory at its peak, indexing", _bytes(tanya["build"]["peak_memory"]), "not measured", None),
        _compare("opening the index", tanya, baseline, lambda one: middle(one["open"]), _seconds),
    ]
    for label, pick in (("p50", median), ("p95", percentile_95), ("mean", fmean)):
        compared.append(
            _compare(f"retrieval, {label}", tanya, baseline, _over("search", pick), _milliseconds)
        )
    for label, pick in (("p50", median), ("p95", percentile_95), ("mean", fmean)):
        value = _over("ask", pick)(tanya)
        compared.append(Row(f"question to answer, {label}", _milliseconds(value), NO_READING, None))
    compared += [
        _compare("adding one article", tanya, baseline, lambda one: median(one["add"]["seconds"]), _seconds),
        _compare("one question, new process", tanya, baseline, lambda one: middle(one["cold"]), _seconds),
    ]
    if baseline is not None and not sampled_whole(figures):
        compared[0] = replace(compared[0], baseline=f"{compared[0].baseline} *")
    return compared


def render(figures: Figures) -> str:
    """Return the machine, the texts, the table as Markdown, and what has to be known about it."""
    table = rows(figures)
    if "baseline" in figures:
        lines = ["| measure | Tanya | LangChain | ratio |", "|---|---:|---:|---:|"]
        lines += [
            f"| {row.label} | {row.tanya} | {row.baseline} | {'' if row.ratio is None else f'{row.ratio:.2g}'} |"
            for row in table
        ]
    else:
        lines = ["| measure | Tanya |", "|---|---:|", *(f"| {row.label} | {row.tanya} |" for row in table)]
    return "\n".join([*heading(figures), "", *lines, "", *notes(figures)])


def heading(figures: Figures) -> list[str]:
    """Return lines on the machine, the software and the texts."""
    machine, texts, first = figures["machine"], figures["texts"], figures["tanya"]["embed"][0]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    source = texts["file"] or "sentences of the bundled sample, shuffled"
    return [
        f"Machine: {machine['processor']}, {machine['cores']} cores, {_bytes(machine['memory_bytes'])} of memory, "
        f"{machine['system']}, load {machine['load_average']:.1f} at the start. Threads: torch "
        f"{first['threads']['torch']}, FAISS {first['threads']['faiss']}.",
        f"Models: Tanya {first['model']} in {first['dtype']}"
        + (f", LangChain {BASELINE_MODEL} in float32." if "baseline" in figures else "."),
        f"Software: Python {machine['python']}, {packages}.",
        f"Texts: {source}: {texts['articles']:,} paragraphs as articles, {texts['words']:,} words; "
        f"{texts['sample']:,} of them embedded by each; {texts['questions']:,} questions.",
    ]


def notes(figures: Figures) -> list[str]:
    """Return what has to be known to read the table rightly."""
    found = [
        "Medians of repetitions; a ratio above 1 means that Tanya is ahead, below 1 that it is behind.",
        f"Single questions: after {figures['warm_ups']} to warm up.",
        "Reading: the passages of a question at once, beside transformers' AutoModelForQuestionAnswering with the same "
        "weights in float32, a passage at a time.",
    ]
    if "build" not in figures["tanya"]:
        return found
    found.append(
        "Retrieval: five passages, Tanya's by meaning and by words. For an answer Tanya reads eight."
    )
    if figures["settings"]["dtype"] != "auto":
        found.append(
            "The question in a new process is the command's own, which chooses its number format itself."
        )
    runs = figures["tanya"]["build"]["runs"]
    if runs > 1:
        found.append(f"Tanya's index was made in {runs} runs; their times are added up.")
    if "baseline" not in figures:
        return found
    found.append(
        "The baseline searches only, so it has no answer to time. Its index is not synced to disk.",
    )
    if not sampled_whole(figures):
        build = figures["baseline"]["build"]
        found.append(
            f"* Extrapolated from its words a second over all {figures['texts']['words']:,} words, plus the measured "
            f"time to split, fill and save. Of its {build['pieces']:,} vectors {build['own_vectors']:,} are its own; "
            "the rest are Tanya's stored ones, of Tanya's model: they fill the index so that searching it takes as "
            "long, and what is found among them is not looked at."
        )
    return found


def words_per_second(system: Figures) -> float:
    """Return the median over the parts of the sample, counted in words of headline and text."""
    return _median(part["words"] / part["seconds"] for part in system["embed"])


def indexing(system: Figures, figures: Figures) -> float:
    """Return the seconds to index all texts: Tanya's measured, the baseline's embedding at its measured pace."""
    if "fill_seconds" not in system["build"]:
        return float(system["build"]["seconds"])
    if sampled_whole(figures):
        embedding = sum(part["seconds"] for part in system["embed"])
    else:
        embedding = figures["texts"]["words"] / words_per_second(system)
    return float(embedding + system["build"]["fill_seconds"])


def sampled_whole(figures: Figures) -> bool:
    """Whether the baseline embedded every text itself, so that nothing is extrapolated."""
    return bool(figures["texts"]["sample"] == figures["texts"]["articles"])


def percentile_95(values: Sequence[float]) -> float:
    """Return the smallest of ``values`` that 95 % of them do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def middle(steps: Sequence[Figures]) -> float:
    """Return the median of the steps' seconds."""
    return _median(step["seconds"] for step in steps)


def peak(steps: Sequence[Figures]) -> float:
    """Return the median of the steps' peak memory, in bytes."""
    return _median(step["peak_memory"] for step in steps)


def _median(values: Iterable[float]) -> float:
    return float(median(values))


def _over(step: str, pick: Callable[[Sequence[float]], float]) -> Callable[[Figures], float]:
    return lambda system: median(pick(one["ms"]) for one in system[step])


def _compare(
    label: str,
    tanya: Figures,
    baseline: Figures | None,
    value: Callable[[Figures], float],
    shown: Callable[[float], str],
    *,
    more_is_better: bool = False,
) -> Row:
    ours = value(tanya)
    if baseline is None:
        return Row(label, shown(ours), None, None)
    theirs = value(baseline)
    return Row(label, shown(ours), shown(theirs), ours / theirs if more_is_better else theirs / ours)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms"


def _seconds(value: float) -> str:
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def _bytes(value: float) -> str:
    return f"{value / 1e6:,.1f} MB" if value < 1e9 else f"{value / 1e9:,.2f} GB"
