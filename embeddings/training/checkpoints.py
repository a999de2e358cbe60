"""Weights and optimizer of a run in one safetensors file: a run that was stopped goes on as if it had not been."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from embeddings.errors import DataError

FILE = "checkpoint.safetensors"


def save_checkpoint(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: Mapping[str, Any],
    step: int,
    folder: Path,
) -> None:
    """Write the checkpoint of ``folder``; ``plan`` are the numbers of the run, ``step`` how many steps are done."""
    tensors = {f"weights.{name}": tensor.contiguous() for name, tensor in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in state.items()}
    building = folder / "checkpoint.building"
    save_file(tensors, building, {"plan": json.dumps({**plan, "step": step}, sort_keys=True)})
    os.replace(building, folder / FILE)


def load_checkpoint(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, plan: Mapping[str, Any], folder: Path
) -> int:
    """Load the checkpoint of ``folder`` if there is one; return the number of steps already done.

    Raises:
        DataError: the checkpoint is of another plan.
    """
    file = folder / FILE
    if not file.exists():
        return 0
    with safe_open(file, framework="pt") as opened:
        made = json.loads(opened.metadata()["plan"])
    step = int(made.pop("step"))
    if made != dict(plan):
        raise DataError(
            f"{file} is of another plan: {made}, not {dict(plan)}. Remove it, or give another --out."
        )
    tensors = load_file(file, device=str(next(network.parameters()).device))
    network.load_state_dict(
        {
            name.removeprefix("weights."): tensor
            for name, tensor in tensors.items()
            if name.startswith("weights.")
        }
    )
    state: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            state[int(number)][key] = tensor
    optimizer.load_state_dict({"state": dict(state), "param_groups": optimizer.state_dict()["param_groups"]})
    return step
