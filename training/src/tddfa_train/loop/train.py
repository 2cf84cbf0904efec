"""One loop: batches by step number, a task that knows its loss, checkpoints that resume."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tddfa.errors import InputError
from tddfa_train.loop.devices import on_device
from tddfa_train.loop.muon import Muon
from tddfa_train.loop.threads import ThreadGovernor
from tddfa_train.parameters.losses.meta_joint import Loss, meta_joint_round

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How long, how fast, how often."""

    n_steps: int
    learning_rate: float = 2e-3
    final_share: float = 0.02  # the cosine ends at this share of the learning rate
    warmup_steps: int = 300
    weight_decay: float = 1e-3  # on convolution and linear weights only
    clip_norm: float = 1.0
    average_decay: float = 0.999  # of the weights that are evaluated and exported
    log_every: int = 50
    save_every: int = 500
    evaluate_every: int = 3000
    workers: int = 1
    threads: int = 2
    share_cores: bool = False  # one thread less for each core that other processes keep busy
    bf16: bool = True
    optimizer: str = "adamw"  # or "muon"
    look_ahead: int = 0  # batches of a meta-joint round; 0: every batch is one step


class Task(Protocol):
    """What a network is trained for."""

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weighted loss terms; their sum is minimised."""
        ...


@runtime_checkable
class TaskWithBranches(Protocol):
    """A task for meta-joint optimisation."""

    def branches(self) -> Sequence[Loss]:
        """The losses to choose between."""
        ...

    def judge(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """What the better branch is smaller in."""
        ...


class StepData(Sized, Protocol):
    """Batches by step number."""

    def __getitem__(self, step: int) -> Mapping[str, Any]: ...


class SameBatch:
    """The first batch at every step: a network that cannot learn it cannot learn anything."""

    def __init__(self, data: StepData):
        self.batch, self.n_steps = data[0], len(data)

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> Mapping[str, Any]:
        return self.batch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, resumed parts included."""

    step: int
    samples: int
    hours: float


def learning_rate_at(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine down to `final_share`."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * cosine)


def make_optimizer(network: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """Make the optimiser; norms and biases do not decay.

    Raises:
        InputError: there is no such optimiser.
    """
    if config.optimizer == "muon":
        # The first layer sees pixels and the head decides numbers of different units: both stay with AdamW.
        hidden = [p for name, p in network.named_parameters() if p.ndim > 1 and not name.startswith("head.")][
            1:
        ]
        chosen = {id(p) for p in hidden}
        others = [p for p in network.parameters() if id(p) not in chosen]
        return Muon(hidden, others, lr=config.learning_rate, weight_decay=config.weight_decay)
    if config.optimizer != "adamw":
        raise InputError(f"no optimizer named {config.optimizer!r}; there are: adamw, muon")
    decay = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


class WeightAverage:
    """Exponential average of a network's weights; shorter memory at the start."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Takes in the weights after a step."""
        decay = min(self.decay, (step + 1) / (step + 10))
        averaged, current = [], []
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                averaged.append(self.state[key])
                current.append(value)
            else:
                self.state[key].copy_(value)
        for mine, new in zip(averaged, current, strict=True):
            mine.lerp_(new, 1 - decay)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes beside the file, then renames: a stopped run never leaves half a checkpoint."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _groups(batches: Iterable[Any], size: int) -> Iterable[list[dict[str, Tensor]]]:
    group: list[dict[str, Tensor]] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []


def _plain_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    batch: dict[str, Tensor],
    config: LoopConfig,
) -> tuple[dict[str, Tensor], bool]:
    """The loss terms of a batch, and whether the step could be taken."""
    kind = next(iter(batch.values())).device.type
    with torch.autocast(kind, torch.bfloat16, enabled=config.bf16):
        terms = task.losses(network, batch)
    loss = torch.stack([term.float() for term in terms.values()]).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    finite = bool(torch.isfinite(norm))
    if finite:
        optimizer.step()
    return terms, finite


def _meta_joint_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    batches: list[dict[str, Tensor]],
    config: LoopConfig,
) -> tuple[dict[str, Tensor], bool]:
    """The branch that a meta-joint round kept, and whether it kept one."""
    if not isinstance(task, TaskWithBranches):
        raise InputError("look_ahead is for tasks with two losses to choose between; set it to 0")
    *shown, held_out = batches
    branch = meta_joint_round(
        network, optimizer, task.branches(), task.judge, shown, held_out, clip_norm=config.clip_norm
    )
    return {"branch": torch.tensor(float(branch))}, branch >= 0


def train(
    network: nn.Module,
    task: Task,
    data: StepData,
    config: LoopConfig,
    folder: Path,
    *,
    evaluate: Callable[[nn.Module], Mapping[str, Any]] | None = None,
    device: str = "cpu",
) -> Progress:
    """Trains until the last step, going on from `folder/last.pt` where there is one.

    Args:
        network: its parameters are changed in place.
        task: gives the losses.
        data: batches by step number; the loop starts at the step that the checkpoint names.
        config: length, rates, intervals.
        folder: receives `last.pt`, `log.jsonl` and TensorBoard events.
        evaluate: called with the network in evaluation mode and averaged weights.
        device: "cpu" or "cuda".
    """
    from torch.utils.tensorboard import SummaryWriter

    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    network.to(device)
    task = on_device(task, device)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = make_optimizer(network, config)
    average = WeightAverage(network, config.average_decay)
    start, samples, hours = 0, 0, 0.0
    last = folder / "last.pt"
    if last.exists():
        saved = torch.load(last, map_location=device, weights_only=True)
        try:
            network.load_state_dict(saved["network"])
        except RuntimeError:
            raise InputError(
                f"{folder} holds a run of another network; go on with its config, or train in another folder"
            ) from None
        average.state = saved["average"]
        optimizer.load_state_dict(saved["optimizer"])
        start, hours, samples = saved["step"], saved["hours"], saved.get("samples", 0)
        log.info("resumed at step %d", start)

    def state(step: int) -> dict[str, Any]:
        return {
            "network": network.state_dict(),
            "average": average.state,
            "optimizer": optimizer.state_dict(),
            "step": step,
            "samples": samples,
            "hours": hours + (time.monotonic() - begun) / 3600,
        }

    writer = SummaryWriter(str(folder / "events"))
    journal = (folder / "log.jsonl").open("a", buffering=1)
    group = config.look_ahead + 1  # a meta-joint round is one step: its batches, and one to judge by
    loader: Iterable[Any] = DataLoader(
        data,  # pyright: ignore[reportArgumentType]
        batch_size=None,
        sampler=range(start * group, config.n_steps * group),
        num_workers=config.workers,
        prefetch_factor=8 if config.workers else None,
    )
    begun = since = time.monotonic()
    sums: dict[str, float] = {}
    seen = skipped = 0
    network.train()
    governor = ThreadGovernor(config.threads)
    for step, batches in enumerate(_groups(loader, group), start):
        if config.share_cores and governor.look() != torch.get_num_threads():
            torch.set_num_threads(governor.threads)
        batches = [{key: value.to(device) for key, value in batch.items()} for batch in batches]
        rate = learning_rate_at(step, config)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if config.look_ahead:
            terms, finite = _meta_joint_step(network, optimizer, task, batches, config)
        else:
            terms, finite = _plain_step(network, optimizer, task, batches[0], config)
        if finite:
            average.update(network, step)
        else:
            skipped += 1
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        shown = sum(len(next(iter(batch.values()))) for batch in batches)
        seen, samples = seen + shown, samples + shown
        done = step + 1
        if done % config.log_every == 0:
            row: dict[str, Any] = {key: round(value / config.log_every, 5) for key, value in sums.items()}
            row |= {
                "step": done,
                "rate": rate,
                "per_second": round(seen / (time.monotonic() - since)),
                "skipped": skipped,
                "threads": torch.get_num_threads(),
            }
            journal.write(json.dumps(row) + "\n")
            for key, value in row.items():
                writer.add_scalar(f"train/{key}", value, done)
            sums, seen, since = {}, 0, time.monotonic()
        if done % config.save_every == 0 or done == config.n_steps:
            save_checkpoint(last, state(done))
        if evaluate and (done % config.evaluate_every == 0 or done == config.n_steps):
            current = {key: value.clone() for key, value in network.state_dict().items()}
            network.load_state_dict(average.state)
            network.eval()
            with torch.no_grad():
                result = evaluate(network)
            network.load_state_dict(current)
            network.train()
            journal.write(
                json.dumps({"step": done, "evaluation": result, "hours": state(done)["hours"]}) + "\n"
            )
            since = time.monotonic()
    journal.close()
    writer.close()
    end = state(config.n_steps)
    return Progress(end["step"], end["samples"], end["hours"])
