"""One loop: batches by step number, a task that knows its loss, checkpoints that resume."""

import logging
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tddfa.cli.interrupts import interrupts
from tddfa.errors import InputError
from tddfa_train.loop.average import WeightAverage
from tddfa_train.loop.devices import on_device
from tddfa_train.loop.journal import Journal
from tddfa_train.loop.optimizers import make_optimizer
from tddfa_train.loop.schedule import LoopConfig, learning_rate_at, n_threads
from tddfa_train.loop.steps import meta_joint_step, plain_step
from tddfa_train.loop.task import StepData, Task
from tddfa_train.loop.threads import ThreadGovernor

log = logging.getLogger(__name__)

CHECKPOINT = "last.pt"
"""Name of the checkpoint in the folder of a run."""

Evaluate = Callable[[nn.Module], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, resumed parts included."""

    step: int
    samples: int
    hours: float


def train(
    network: nn.Module,
    task: Task,
    data: StepData,
    config: LoopConfig,
    folder: Path,
    *,
    evaluate: Evaluate | None = None,
    device: str = "cpu",
) -> Progress:
    """Train until the last step, going on from the checkpoint of `folder` where there is one.

    Ctrl-C and SIGTERM finish the step and save it; a second one ends at once.

    Args:
        network: its parameters are changed in place.
        task: gives the losses.
        data: batches by step number; the loop starts at the step that the checkpoint names.
        config: length, rates, intervals.
        folder: receives `last.pt`, `log.jsonl` and TensorBoard events.
        evaluate: called with the network in evaluation mode and averaged weights.
        device: "cpu" or "cuda".

    Raises:
        InputError: the checkpoint is of another network.
        KeyboardInterrupt: the run was interrupted; its last step is saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(n_threads(config))
    run = _Run(network, task, config, folder / CHECKPOINT, device)
    run.resume()
    governor = ThreadGovernor(n_threads(config))
    with Journal(folder, config.log_every) as journal, interrupts() as stop:
        for batches in _rounds(data, run.step, config):
            if config.share_cores and governor.look() != torch.get_num_threads():
                torch.set_num_threads(governor.threads)
            before, rate = run.samples, learning_rate_at(run.step, config)
            terms, taken = run.take_step(batches, rate)
            journal.note(run.step, terms, rate, run.samples - before, taken=taken)
            is_last = run.step == config.n_steps
            if stop.is_set() or is_last or run.step % config.save_every == 0:
                run.save()
            if stop.is_set():
                raise KeyboardInterrupt
            if evaluate is not None and (is_last or run.step % config.evaluate_every == 0):
                result = run.evaluated(evaluate)
                journal.evaluation(run.step, result, run.progress().hours)
    return run.progress()


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write beside the file, then rename: a stopped run never leaves half a checkpoint."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def read_checkpoint(path: Path, device: str = "cpu", *, mmap: bool = False) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote.

    Args:
        path: of the file.
        device: where tensors go.
        mmap: leave tensors on the disk until they are used.

    Raises:
        InputError: it is no whole checkpoint of a run.
    """
    try:
        saved = torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except (OSError, LookupError, RuntimeError, UnpicklingError, ValueError, EOFError):
        saved = None
    needed = {"network", "average", "optimizer", "step", "hours"}
    if not isinstance(saved, dict) or not needed <= saved.keys():
        raise InputError(
            f"{path} is damaged, or no checkpoint of a run; train in another folder, or remove the file to "
            "begin anew"
        )
    return saved


class _Run:
    """A network in training: its optimiser, its averaged weights, how far it has come.

    Args:
        network: its parameters are changed in place.
        task: gives the losses.
        config: rates.
        path: of the checkpoint.
        device: "cpu" or "cuda".
    """

    def __init__(self, network: nn.Module, task: Task, config: LoopConfig, path: Path, device: str):
        network.to(device)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        network.train()
        self.step = self.samples = 0
        self._network, self._task, self._config = network, on_device(task, device), config
        self._path, self._device = path, device
        self._optimizer = make_optimizer(network, config)
        self._average = WeightAverage(network, config.average_decay)
        self._hours, self._begun = 0.0, time.monotonic()

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one."""
        if not self._path.exists():
            return
        saved = read_checkpoint(self._path, self._device)
        try:
            self._network.load_state_dict(saved["network"])
        except RuntimeError:
            raise InputError(
                f"{self._path.parent} holds a run of another network; go on with its config, or train in "
                f"another folder"
            ) from None
        self._average.state = saved["average"]
        try:
            self._optimizer.load_state_dict(saved["optimizer"])
        except (ValueError, KeyError):
            raise InputError(
                f"{self._path.parent} holds a run with another optimizer than {self._config.optimizer!r}; go "
                "on with its config, or train in another folder, with 'start' at its weights"
            ) from None
        self.step, self._hours, self.samples = saved["step"], saved["hours"], saved.get("samples", 0)
        log.info("resumed at step %d", self.step)

    def take_step(self, batches: list[dict[str, Tensor]], rate: float) -> tuple[dict[str, Tensor], bool]:
        """Take a step, and return the loss terms and whether the weights moved."""
        batches = [{key: value.to(self._device) for key, value in batch.items()} for batch in batches]
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        if self._config.look_ahead:
            terms, taken = meta_joint_step(self._network, self._optimizer, self._task, batches, self._config)
        else:
            terms, taken = plain_step(self._network, self._optimizer, self._task, batches[0], self._config)
        if taken:
            self._average.update(self._network, self.step)
        self.step += 1
        self.samples += sum(len(next(iter(batch.values()))) for batch in batches)
        return terms, taken

    def progress(self) -> Progress:
        """Say how far the run has come."""
        return Progress(self.step, self.samples, self._hours + (time.monotonic() - self._begun) / 3600)

    def save(self) -> None:
        """Write the checkpoint."""
        progress = self.progress()
        state = {
            "network": self._network.state_dict(),
            "average": self._average.state,
            "optimizer": self._optimizer.state_dict(),
            "step": progress.step,
            "samples": progress.samples,
            "hours": progress.hours,
        }
        save_checkpoint(self._path, state)

    def evaluated(self, evaluate: Evaluate) -> Mapping[str, Any]:
        """Evaluate the averaged weights; training goes on with its own."""
        current = {key: value.clone() for key, value in self._network.state_dict().items()}
        self._network.load_state_dict(self._average.state)
        self._network.eval()
        with torch.no_grad():
            result = evaluate(self._network)
        self._network.load_state_dict(current)
        self._network.train()
        return result


def _rounds(data: StepData, start: int, config: LoopConfig) -> Iterable[list[dict[str, Tensor]]]:
    """Yield the batches of each step from `start` on: one, or those of a meta-joint round."""
    size = config.look_ahead + 1  # the batches of a round, and one to judge by
    loader: Iterable[Any] = DataLoader(
        data,  # pyright: ignore[reportArgumentType]
        batch_size=None,
        sampler=range(start * size, config.n_steps * size),
        num_workers=config.workers,
        prefetch_factor=8 if config.workers else None,
        worker_init_fn=_leave_interrupts,
    )
    batches: list[dict[str, Tensor]] = []
    for batch in loader:
        batches.append(batch)
        if len(batches) == size:
            yield batches
            batches = []


def _leave_interrupts(worker: int) -> None:
    """Let a loading process live on after Ctrl-C, which all processes of a terminal get."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
