import pytest
import torch
from torch import nn

from playground.core.problem import Batches, Problem, assign
from playground.errors import ComponentError, ScenarioError

DATA = (torch.arange(10.0)[:, None], torch.arange(10.0)[:, None] * 2)


def test_without_a_size_every_step_sees_everything_in_order() -> None:
    batches = Batches(DATA)
    assert all(batches.at(step) is DATA for step in range(3))


def test_an_epoch_is_a_permutation_and_inputs_stay_with_their_targets() -> None:
    batches = Batches(DATA, size=4, seed=7)
    first = [batches.at(step) for step in range(3)]
    assert [len(inputs) for inputs, _ in first] == [4, 4, 2]
    assert sorted(torch.cat([inputs for inputs, _ in first]).flatten().tolist()) == list(range(10))
    assert all(torch.equal(targets, 2 * inputs) for inputs, targets in first)
    second = [batches.at(step) for step in range(3, 6)]
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    forwards, backwards = Batches(DATA, 3, seed=1), Batches(DATA, 3, seed=1)
    ahead = [forwards.at(step)[0] for step in range(12)]
    behind = [backwards.at(step)[0] for step in reversed(range(12))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(ahead, behind, strict=True))
    other = Batches(DATA, 3, seed=2)
    assert not all(torch.equal(a, other.at(step)[0]) for step, a in enumerate(ahead))


@pytest.mark.parametrize(("data", "message"), [(DATA, "exceeds the 10 samples"), ((), "no data")])
def test_impossible_batches_are_refused(data, message) -> None:
    with pytest.raises(ScenarioError, match=message):
        Batches(data, size=11)


def test_probe_refuses_a_loss_that_is_no_number() -> None:
    with pytest.raises(ComponentError, match=r"single number.*\(10, 1\)"):
        Problem(nn.Linear(1, 1), lambda forward, batch: forward(batch[0]), Batches(DATA)).probe()


def test_probe_refuses_a_loss_that_no_parameter_changes() -> None:
    with pytest.raises(ComponentError, match="nothing to descend"):
        Problem(nn.Linear(1, 1), lambda forward, batch: (forward(batch[0]) > 0).float().mean(), Batches(DATA)).probe()


def test_probe_changes_nothing() -> None:
    module = nn.Sequential(nn.Linear(1, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.get_rng_state()
    Problem(module, lambda forward, batch: forward(batch[0]).mean(), Batches(DATA)).probe()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_assign_sets_by_name_and_keeps_the_rest() -> None:
    module = nn.Linear(2, 1)
    bias = module.bias.clone()
    assign(module, {"weight": [[1, 2.5]]})
    assert module.weight.tolist() == [[1.0, 2.5]]
    assert torch.equal(module.bias, bias)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wieght": [[1, 2]]}, "did you mean 'weight'"),
        ({"weight": [1, 2]}, r"expected shape \(1, 2\), got \(2,\)"),
        ({"weight": "big"}, "expected numbers"),
        ({"weight": [[1], [2, 3]]}, "expected numbers"),
    ],
)
def test_assign_refuses(values, message) -> None:
    with pytest.raises(ScenarioError, match=message):
        assign(nn.Linear(2, 1), values)
