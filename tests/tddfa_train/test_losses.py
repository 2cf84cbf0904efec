"""Losses: closed forms against definitions, and what each is blind to."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tddfa_train.parameters.losses import FaceBasis, fwpdc, fwpdc_weights, vdc, wpdc, wpdc_weights  # noqa: E402
from tddfa_train.parameters.losses.combine import balanced, vanilla_joint  # noqa: E402
from tddfa_train.parameters.losses.meta_joint import meta_joint_round  # noqa: E402

N_VERTICES, N_COEFFICIENTS = 40, 7


@pytest.fixture
def face():
    rng = np.random.default_rng(3)
    # Axes of very different extent: a closed form that mixes them up cannot hide.
    mean = rng.normal(size=(N_VERTICES, 3)).astype(np.float32) * np.float32([3, 50, 0.2])
    basis = (
        rng.normal(size=(N_VERTICES, 3, N_COEFFICIENTS)).astype(np.float32) * np.float32([1, 4, 0.3])[:, None]
    )
    return FaceBasis(mean, basis)


@pytest.fixture
def params():
    generator = torch.Generator().manual_seed(5)
    return tuple(torch.randn(6, 12 + N_COEFFICIENTS, generator=generator) for _ in range(2))


def test_the_closed_form_of_wpdc_equals_its_definition_for_any_matrix(face, params):
    predicted, truth = params
    torch.testing.assert_close(
        fwpdc_weights(face, predicted, truth), wpdc_weights(face, predicted, truth), rtol=1e-4, atol=1e-6
    )
    std = torch.rand(truth.shape[1]) + 0.5
    torch.testing.assert_close(
        fwpdc(face, predicted, truth, std), wpdc(face, predicted, truth, std), rtol=1e-4, atol=0
    )


def test_the_most_harmful_parameter_has_weight_one_and_the_depth_shift_none(face, params):
    weights = fwpdc_weights(face, *params)
    torch.testing.assert_close(weights.amax(1), torch.ones(6))
    assert (weights[:, 11] == 0).all()


def test_no_gradient_runs_through_the_weights(face, params):
    predicted, truth = params
    predicted = predicted.clone().requires_grad_()
    std = torch.ones(truth.shape[1])
    fwpdc(face, predicted, truth, std).backward()
    weights = fwpdc_weights(face, predicted.detach(), truth)
    expected = 2 * weights**2 * (predicted.detach() - truth) / truth.numel()
    torch.testing.assert_close(predicted.grad, expected)


def test_vdc_is_zero_only_for_the_true_vertices_and_does_not_see_a_shift_in_depth(face, params):
    predicted, truth = params
    assert vdc(face, truth, truth) == 0
    deeper = truth.clone()
    deeper[:, 11] += 100
    assert vdc(face, deeper, truth) < 1e-6
    moved = truth.clone()
    moved[:, 3] += 2
    torch.testing.assert_close(vdc(face, moved, truth), torch.tensor(4.0), rtol=1e-4, atol=1e-4)
    assert vdc(face, predicted, truth) > 1


def test_balanced_losses_are_equally_large_and_keep_their_own_gradients():
    main, other = torch.tensor(3.0, requires_grad=True), torch.tensor(0.01, requires_grad=True)
    joint = vanilla_joint(main, other)
    torch.testing.assert_close(joint, torch.tensor(3.0))
    joint.backward()
    torch.testing.assert_close(main.grad, torch.tensor(0.5))
    torch.testing.assert_close(other.grad, torch.tensor(150.0))
    assert torch.isfinite(balanced(main, torch.tensor(0.0)))


def _line_task():
    network = torch.nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, generator=generator)
    batch = {"x": x, "y": x @ torch.tensor([[1.0], [-2.0]])}

    def good(net, data):
        return (net(data["x"]) - data["y"]).square().mean()

    def useless(net, data):
        return net.weight.square().sum()

    def broken(net, data):
        return net(data["x"]).sum() * float("nan")

    return network, batch, good, useless, broken


def test_meta_joint_keeps_the_branch_that_is_better_on_the_held_out_batch():
    network, batch, good, useless, _ = _line_task()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    before = float(good(network, batch).detach())
    kept = meta_joint_round(network, optimizer, (useless, good), good, [batch] * 5, batch)
    assert kept == 1
    assert float(good(network, batch).detach()) < before
    momentum = optimizer.state[network.weight]["momentum_buffer"]
    assert momentum.abs().sum() > 0


def test_a_branch_without_a_finite_value_loses_and_leaves_no_trace():
    network, batch, good, _, broken = _line_task()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)

    def broken_judge(net, data):
        return good(net, data) * float("nan")

    assert meta_joint_round(network, optimizer, (broken, good), good, [batch] * 3, batch) == 1
    before = network.weight.detach().clone()
    assert meta_joint_round(network, optimizer, (good, good), broken_judge, [batch] * 3, batch) == -1
    torch.testing.assert_close(network.weight.detach(), before)
