"""Training in bfloat16 where the device computes it, and in single precision elsewhere."""

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from tddfa_train.loop import muon, steps
from tddfa_train.loop.precision import has_bfloat16
from tddfa_train.loop.schedule import LoopConfig


@pytest.mark.parametrize("has", [True, False])
def test_muon_makes_matrices_orthogonal_in_either_precision(monkeypatch, has):
    monkeypatch.setattr(muon, "has_bfloat16", lambda kind: has)
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
    found = muon.orthogonalized(matrix)
    assert found.dtype == torch.float32
    exact = found.bfloat16().float() == found
    assert bool(exact.all()) == has
    sizes = torch.linalg.svdvals(found)
    assert 0.6 < float(sizes.min()) < float(sizes.max()) < 1.3


@pytest.mark.parametrize(("has", "wanted"), [(True, True), (True, False), (False, True)])
def test_a_step_uses_bfloat16_where_it_is_there_and_wanted(monkeypatch, has, wanted):
    monkeypatch.setattr(steps, "has_bfloat16", lambda kind: has)
    seen = []

    class Task:
        def losses(self, network, batch):
            out = network(batch["x"])
            seen.append(out.dtype)
            return {"size": out.square().mean()}

    network = nn.Linear(8, 8)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    steps.plain_step(network, optimizer, Task(), {"x": torch.ones(2, 8)}, LoopConfig(1, bf16=wanted))
    assert seen == [torch.bfloat16 if has and wanted else torch.float32]


def test_other_devices_than_processors_have_it():
    assert has_bfloat16("cuda")
