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
from typing import Any

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
    IN_PASSAGE,
    IN_QUESTION,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Passage,
    SpanModel,
    Window,
    allowed_spans,
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
SEGMENTS_OF_BODY = "embeddings.token_type_embeddings.weight"
NEW_RATE = 10.0
"""How much faster the segments learn than the body: two of them are new, and few weights move what they say."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of a run; the rates are AdamW's, at their peak."""

    steps: int = 2_200
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
        """Find near misses with the encoder; see ``mine``."""

        def make() -> dict[str, Any]:
            encoder = SentenceEncoder.load(str(self.encoder))
            languages: tuple[Language, ...] = ("en", "id")
            passages: list[Passage] = []
            nearest: dict[str, list[int]] = {}
            for language in languages:
                pool = passages_of(sets.values(), language)
                asked = [row for rows in sets.values() for row in rows if row.language == language]
                for key, numbers in mine(encoder, asked, pool).items():
                    nearest[key] = [len(passages) + number for number in numbers]
                passages += pool
            self.say(f"near misses found for {len(nearest):,} answers")
            return {"passages": [(each.text, each.title) for each in passages], "nearest": nearest}

        found = self.kept("misses.json", make)
        passages = [Passage(*passage) for passage in found["passages"]]
        return {key: [passages[number] for number in numbers] for key, numbers in found["nearest"].items()}

    def train(self, model: SpanModel, sampler: Sampler) -> None:
        """Train in place, going on from the checkpoint if there is one."""
        network, plan = model.network, self.plan
        new = [weight for name, weight in network.named_parameters() if name.endswith(SEGMENTS_OF_BODY)]
        rest = [weight for name, weight in network.named_parameters() if not name.endswith(SEGMENTS_OF_BODY)]
        speeds = (1.0, NEW_RATE)
        optimizer = torch.optim.AdamW(
            [{"params": rest}, {"params": new}],
            lr=plan.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        done = load_checkpoint(network, optimizer, asdict(plan), self.out)
        losses: list[float] = []
        started = time.monotonic()
        network.train()
        for step in range(done, plan.steps):
            for group, speed in zip(optimizer.param_groups, speeds, strict=True):
                group["lr"] = speed * plan.learning_rate * rate(step, plan.steps)
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
    known = weights.get(SEGMENTS_OF_BODY)
    if known is None or len(known) != 2:
        raise DataError(f"{encoder} is no BERT encoder: it lacks {SEGMENTS_OF_BODY} with two rows.")
    # The segments of shared words begin as those that they are parts of.
    weights[SEGMENTS_OF_BODY] = known[[IN_QUESTION, IN_PASSAGE, IN_PASSAGE, IN_QUESTION]]
    network: torch.nn.Module = make_network(
        {
            **config,
            "vocab_size": len(weights["embeddings.word_embeddings.weight"]),
            "type_vocab_size": len(weights[SEGMENTS_OF_BODY]),
        }
    )
    body = {
        f"bert.{name}": tensor.float() for name, tensor in weights.items() if not name.startswith("pooler.")
    }
    missing, unknown = network.load_state_dict(body, strict=False)
    if unknown or any(not name.startswith("qa_outputs.") for name in missing):
        raise DataError(f"{encoder} is no BERT encoder: {[*unknown, *missing][0]} does not fit.")
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


def mine(encoder: SentenceEncoder, rows: Sequence[Row], passages: Sequence[Passage]) -> dict[str, list[int]]:
    """Return for each answer of ``rows``, by ``Row.key``, up to ``MISSES`` passages that look right and do not hold it.

    They are numbers in ``passages``, the nearest first to the first question with that answer.
    """
    asked: dict[str, Row] = {}
    for row in rows:
        if row.answers:
            asked.setdefault(row.key, row)
    plain = [f" {normalised(passage.text)} " for passage in passages]
    vectors = encoder.encode_passages([f"{passage.title}\n{passage.text}".strip() for passage in passages])
    found = {}
    every = list(asked.items())
    for begin in range(0, len(every), ROWS_MINED):
        part = every[begin : begin + ROWS_MINED]
        scores = encoder.encode_queries([row.question for _, row in part]) @ vectors.T
        depth = min(DEPTH, len(passages))
        nearest = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        for line, (key, row) in enumerate(part):
            answers = [f" {normalised(text)} " for text in row.texts]
            found[key] = [
                int(number)
                for number in sorted(nearest[line], key=lambda number: -scores[line, number])
                if passages[number].text != row.passage.text
                and not any(answer in plain[number] for answer in answers)
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

    The loss of a window is minus the logarithm of what the model gives to all right places together (Clark & Gardner
    2018): among its starts, among its ends, and among the pairs of both that it may answer with (Fajcik et al. 2021).
    """
    total = 0.0
    for part in _parts(sorted(batch, key=lambda each: len(each[0].ids))):
        device = next(network.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            start, end = run_network(network, [window for window, _ in part])
        allowed = np.zeros((len(part), start.shape[1], start.shape[1]), dtype=bool)
        right = np.zeros_like(allowed)
        for line, (window, places) in enumerate(part):
            body = slice(window.first, window.first + len(window.offsets))
            allowed[line, 0, 0] = True
            allowed[line, body, body] = allowed_spans(window)
            right[line, [first for first, _ in places], [last for _, last in places]] = True
        pairs = (start[:, :, None] + end[:, None, :]).masked_fill(
            ~torch.from_numpy(allowed | right).to(device), float("-inf")
        )
        loss = _missed(pairs.flatten(1), right.reshape(len(part), -1))
        loss = loss + _missed(start, np.any(right, axis=2)) / 2 + _missed(end, np.any(right, axis=1)) / 2
        loss = loss.sum() / (2 * len(batch))
        torch.autograd.backward(loss)
        total += float(loss.detach())
    return total


def _missed(logits: torch.Tensor, right: np.ndarray) -> torch.Tensor:
    """Return minus the logarithm of the share of the ``right`` places of each row ``(rows, places)``."""
    wrong = ~torch.from_numpy(right).to(logits.device)
    return torch.logsumexp(logits, 1) - torch.logsumexp(logits.masked_fill(wrong, float("-inf")), 1)


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
