"""Makes the reader that ships: ``python -m qa.training.reader DATA --init ENCODER --out DIR``.

Mining, training, measuring, export; mining and every hundredth step leave a file in DIR, so a run that was stopped goes
on. DIR/model is the finished folder. ENCODER is the folder of the bilingual encoder, whose body the reader begins with.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from embeddings.encoder import SentenceEncoder
from embeddings.errors import DataError
from embeddings.training.checkpoints import load_checkpoint, save_checkpoint
from embeddings.training.data import normalised
from embeddings.training.finetuning import GRADIENT_NORM, REPORT_STEPS, rate
from embeddings.training.recipe import Stages, recipe_parser, run_recipe
from qa.spans import (
    CONFIG_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Passage,
    SpanModel,
    Window,
    make_network,
    run_network,
)
from qa.training import bench
from qa.training.export import export
from qa.training.rows import Row, Sampler, development_rows, passages_of, training_rows
from qa.types import Language

CHECKPOINT_STEPS = 100
PART_TOKENS = 4_096
"""Tokens computed at once, padding included; a batch is several such parts."""
DEPTH = 30
MISSES = 6
"""Near misses kept of a question, from its ``DEPTH`` nearest passages."""
ANSWER_WINDOW_SHARE = 0.85
"""How many answerable questions about a passage of several windows are trained with one that holds the answer."""
ROWS_MINED = 2_048
"""Questions ranked at a time: their scores take about 150 MB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of a run; the rates are AdamW's, at their peak."""

    steps: int = 1_400
    batch: int = 32
    learning_rate: float = 1.5e-4
    seed: int = 20_230_519


class Recipe(Stages):
    """The stages over a folder of data, an encoder and a folder of results."""

    def __init__(self, data: Path, encoder: Path, out: Path, plan: Plan) -> None:
        super().__init__(data, out)
        self.encoder = encoder
        self.plan = plan

    def run(self) -> None:
        """Run every stage that is not done yet, up to the finished folder."""
        sets = training_rows(self.data)
        self.say("rows: " + ", ".join(f"{name} {len(rows):,}" for name, rows in sets.items()))
        sampler = Sampler(sets, self.misses(sets))
        tokenizer = Tokenizer.from_file(str(self.encoder / TOKENIZER_FILE))
        network = begin(self.encoder)
        model = SpanModel(network, tokenizer)
        self.train(model, sampler)
        export(network, self.encoder, self.out / "model")
        self.measure(SpanModel.load(self.out / "model"))
        self.say(f"the reader is in {self.out / 'model'}")

    def misses(self, sets: dict[str, list[Row]]) -> dict[str, list[Passage]]:
        """Find near misses of the answerable questions with the encoder."""

        def make() -> dict[str, list[tuple[str, str]]]:
            encoder = SentenceEncoder.load(str(self.encoder))
            languages: tuple[Language, ...] = ("en", "id")
            made: dict[str, list[tuple[str, str]]] = {}
            for language in languages:
                for question, passages in mine(encoder, sets, language).items():
                    made.setdefault(question, [(passage.text, passage.title) for passage in passages])
            self.say(f"near misses found for {len(made):,} questions")
            return made

        found: dict[str, list[tuple[str, str]]] = self.kept("misses.json", make)
        return {question: [Passage(*passage) for passage in passages] for question, passages in found.items()}

    def train(self, model: SpanModel, sampler: Sampler) -> None:
        """Train in place, going on from the checkpoint if there is one."""
        network, plan = model.network, self.plan
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=plan.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        done = load_checkpoint(network, optimizer, asdict(plan), self.out)
        losses: list[float] = []
        started = time.monotonic()
        network.train()
        for step in range(done, plan.steps):
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate(step, plan.steps)
            chance = np.random.default_rng((plan.seed, step))
            batch = [window_of(model, row, chance) for row in sampler.draw(plan.batch, chance)]
            optimizer.zero_grad()
            losses.append(backward(network, batch))
            torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
            optimizer.step()
            if (step + 1) % REPORT_STEPS == 0:
                pace = (time.monotonic() - started) / (step + 1 - done)
                self.say(
                    f"step {step + 1} of {plan.steps}, {pace:.2f} s a step: loss {np.mean(losses[-100:]):.3f}"
                )
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == plan.steps:
                save_checkpoint(network, optimizer, asdict(plan), step + 1, self.out)
        network.eval()

    def measure(self, model: SpanModel) -> None:
        """Print the development figures."""
        for name, rows in development_rows(self.data).items():
            self.say(bench.describe(name, bench.judge_rows(model, rows)))


def begin(encoder: Path) -> torch.nn.Module:
    """Return a reader with the body of an encoder and outputs yet to be learnt.

    Raises:
        DataError: the folder holds no BERT encoder.
    """
    try:
        config = json.loads((encoder / CONFIG_FILE).read_bytes())
        weights = load_file(encoder / WEIGHTS_FILE)
    except (OSError, ValueError) as error:
        raise DataError(f"The encoder in {encoder} cannot be read: {error}") from error
    torch.manual_seed(0)
    network: torch.nn.Module = make_network(
        {**config, "vocab_size": len(weights["embeddings.word_embeddings.weight"])}
    )
    body = {
        f"bert.{name}": tensor.float() for name, tensor in weights.items() if not name.startswith("pooler.")
    }
    missing, unknown = network.load_state_dict(body, strict=False)
    if unknown or any(not name.startswith("qa_outputs.") for name in missing):
        raise DataError(f"{encoder} is no BERT encoder: {[*unknown, *missing][0]} does not fit.")
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


def mine(
    encoder: SentenceEncoder, sets: dict[str, list[Row]], language: Language
) -> dict[str, list[Passage]]:
    """Return up to ``MISSES`` passages by question that look right and do not hold the answer, nearest first."""
    asked: dict[str, list[Row]] = {}
    for rows in sets.values():
        for row in rows:
            if row.language == language and row.answers:
                asked.setdefault(row.question, []).append(row)
    passages = passages_of(sets.values(), language)
    plain = [f" {normalised(passage.text)} " for passage in passages]
    vectors = encoder.encode_passages([f"{passage.title}\n{passage.text}".strip() for passage in passages])
    questions = list(asked)
    found = {}
    for start in range(0, len(questions), ROWS_MINED):
        part = questions[start : start + ROWS_MINED]
        scores = encoder.encode_queries(part) @ vectors.T
        depth = min(DEPTH, len(passages))
        nearest = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        for line, (question, numbers) in enumerate(zip(part, nearest, strict=True)):
            own = {row.passage.text for row in asked[question]}
            answers = [f" {normalised(text)} " for row in asked[question] for text in row.texts]
            ranked = sorted(numbers, key=lambda number: -scores[line, number])
            found[question] = [
                passages[number]
                for number in ranked
                if passages[number].text not in own and not any(answer in plain[number] for answer in answers)
            ][:MISSES]
    return found


def window_of(
    model: SpanModel, row: Row, chance: np.random.Generator
) -> tuple[Window, list[tuple[int, int]]]:
    """Return a window of the row and the answers in it as places of tokens, ``[(0, 0)]`` if it has none."""
    windows = model.windows.cut(row.question, [row.passage])
    marked = [(window, places_of(window, row.answers)) for window in windows]
    answering = [window for window in marked if window[1] != [(0, 0)]]
    if answering and (len(answering) == len(marked) or chance.random() < ANSWER_WINDOW_SHARE):
        marked = answering
    return marked[int(chance.integers(len(marked)))]


def places_of(window: Window, answers: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the first and last token of each answer that stands whole in the window; ``[(0, 0)]`` if none does."""
    places = []
    for start, end in answers:
        inside = [
            number for number, (first, last) in enumerate(window.offsets) if last > start and first < end
        ]
        if inside and window.offsets[inside[0]][0] <= start and window.offsets[inside[-1]][1] >= end:
            places.append((window.first + inside[0], window.first + inside[-1]))
    return places or [(0, 0)]


def backward(network: torch.nn.Module, batch: Sequence[tuple[Window, list[tuple[int, int]]]]) -> float:
    """Add the gradients of the mean loss of a batch; return it.

    The loss of a window is that of its start and of its end: minus the logarithm of what the model gives to all right
    places together (Clark & Gardner 2018).
    """
    total = 0.0
    for part in _parts(sorted(batch, key=lambda each: len(each[0].ids))):
        device = next(network.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = run_network(network, [window for window, _ in part])
        loss = torch.zeros((), device=device)
        for side, found in enumerate(logits):
            right = torch.full_like(found, float("-inf"))
            for line, (_, places) in enumerate(part):
                right[line, [place[side] for place in places]] = 0.0
            both = torch.logsumexp(found, 1) - torch.logsumexp(found + right, 1)
            loss = loss + both.sum() / (2 * len(batch))
        torch.autograd.backward(loss)
        total += float(loss.detach())
    return total


def _parts(
    batch: Sequence[tuple[Window, list[tuple[int, int]]]],
) -> list[list[tuple[Window, list[tuple[int, int]]]]]:
    parts: list[list[tuple[Window, list[tuple[int, int]]]]] = []
    for each in batch:
        if not parts or len(each[0].ids) * (len(parts[-1]) + 1) > PART_TOKENS:
            parts.append([])
        parts[-1].append(each)
    return parts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe; return the exit code."""
    plan = Plan()
    parser = recipe_parser("qa.training.reader", __doc__, steps=plan.steps, seed=plan.seed)
    parser.add_argument("--init", type=Path, required=True, metavar="ENCODER", help="folder of the encoder")
    options = parser.parse_args(arguments)
    plan = replace(plan, steps=options.steps, seed=options.seed)
    return run_recipe(lambda: Recipe(options.data, options.init, options.out, plan).run(), options.out)


if __name__ == "__main__":
    sys.exit(main())
