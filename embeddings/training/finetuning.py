"""Fine-tunes the student: batches that teach which passage answers, and the teacher's vectors for both languages.

Every step draws its batch from a generator of its own, seeded by the step, and every checkpoint holds weights and
optimizer: a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from embeddings.training.checkpoints import load_checkpoint, save_checkpoint
from embeddings.training.student import EMBEDDING_ROWS, Student
from embeddings.training.tasks import Batch, Tasks

WARM_UP = 50
LAST_RATE = 0.02
"""What is left of the learning rate at the end."""
CHECKPOINT_STEPS = 100
REPORT_STEPS = 25
GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of a run. ``scale`` multiplies cosines in the contrastive loss; rates are AdamW's, at their peak."""

    steps: int = 1_000
    learning_rate: float = 2e-4
    embedding_rate: float = 1e-3
    scale: float = 20.0
    distillation: float = 5.0
    seed: int = 20_230_519


def fine_tune(
    student: Student, teacher: Student, tasks: Tasks, plan: Plan, folder: Path, report: Callable[[str], None]
) -> None:
    """Train ``student`` in place for ``plan.steps``, going on from the checkpoint in ``folder`` if there is one.

    Raises:
        DataError: the checkpoint is of another plan.
    """
    optimizer = _optimizer(student, plan)
    done = load_checkpoint(student.body, optimizer, asdict(plan), folder)
    losses: dict[str, list[float]] = defaultdict(list)
    started = time.monotonic()
    for step in range(done, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate(step, plan.steps)
        batch = tasks.draw(np.random.default_rng((plan.seed, step)))
        loss, parts = _loss(student, teacher, batch, plan)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(student.body.parameters(), GRADIENT_NORM)
        optimizer.step()
        for name, value in parts.items():
            losses[name].append(value)
        if (step + 1) % REPORT_STEPS == 0:
            means = "  ".join(
                f"{name} {np.mean(values[-25:]):.3f}" for name, values in sorted(losses.items())
            )
            pace = (time.monotonic() - started) / (step + 1 - done)
            report(f"step {step + 1} of {plan.steps}, {pace:.2f} s a step: {means}")
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == plan.steps:
            save_checkpoint(student.body, optimizer, asdict(plan), step + 1, folder)


def _loss(
    student: Student, teacher: Student, batch: Batch, plan: Plan
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the loss of a batch and its parts by name."""
    asked, count = len(batch.queries), len(batch.passages)
    vectors = student.embed([*batch.queries, *batch.passages, *batch.misses])
    queries, passages = vectors[:asked], vectors[asked:]
    scores = plan.scale * queries @ passages.T
    scores = scores.masked_fill(_same_text(batch).to(scores.device), float("-inf"))
    target = torch.arange(asked, device=scores.device) % count
    forward = torch.nn.functional.cross_entropy(scores, target)
    # Backward each round by itself: the queries of the others are as right.
    rounds = scores[:, :count].T.reshape(-1, count)
    backward = torch.nn.functional.cross_entropy(rounds, target.sort().values)
    loss = (forward + backward) / 2
    parts = {batch.task: float(loss.detach())}
    if not plan.distillation:
        return loss, parts
    aims = _aims(teacher, batch)
    sides = (("query", queries, batch.english_queries), ("passage", passages[:count], batch.english_passages))
    for side, ours, english in sides:
        if english:
            distance = 1 - (ours * torch.stack([aims[text] for text in english])).sum(1).mean()
            parts[f"{batch.task} from teacher, {side}"] = float(distance.detach())
            loss = loss + plan.distillation * distance
    return loss, parts


@torch.no_grad()
def _aims(teacher: Student, batch: Batch) -> dict[str, torch.Tensor]:
    """Return the teacher's vector of every English text of the batch; many stand on both sides, or in two rounds."""
    english = list(dict.fromkeys([*batch.english_queries, *batch.english_passages]))
    return dict(zip(english, teacher.embed(english), strict=True)) if english else {}


def _same_text(batch: Batch) -> torch.Tensor:
    """Return which passages are no wrong answers because they equal the right one, bool ``(queries, passages)``."""
    numbers: dict[str, int] = {}
    texts = [numbers.setdefault(text, len(numbers)) for text in [*batch.passages, *batch.misses]]
    own = torch.arange(len(batch.queries)) % len(batch.passages)
    same = torch.tensor(texts)[own, None] == torch.tensor(texts)[None, :]
    same[torch.arange(len(own)), own] = False
    return same


def rate(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: rising for ``WARM_UP`` steps, then falling in a line."""
    return min((step + 1) / WARM_UP, 1.0) * (1 - (1 - LAST_RATE) * step / steps)


def _optimizer(student: Student, plan: Plan) -> torch.optim.AdamW:
    rows = [weight for name, weight in student.body.named_parameters() if name == EMBEDDING_ROWS]
    rest = [weight for name, weight in student.body.named_parameters() if name != EMBEDDING_ROWS]
    groups = [
        # A new token is rare: its row sees few steps, so they must be longer, and decay would only shrink it.
        {"params": rows, "peak": plan.embedding_rate, "weight_decay": 0.0},
        {"params": rest, "peak": plan.learning_rate, "weight_decay": 0.01},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.98), fused=True)
