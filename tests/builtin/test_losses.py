import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, vmap

from playground.builtin import losses
from playground.core.losses import LossTraits, loss_traits
from playground.errors import ComponentError

# loss, options, torch's module, how to make a valid prediction out of any real numbers
SAME_SHAPE = [
    (losses.mse, {}, nn.MSELoss(), torch.clone),
    (losses.mae, {}, nn.L1Loss(), torch.clone),
    (losses.huber, {}, nn.HuberLoss(), torch.clone),
    (losses.huber, {"delta": 0.3}, nn.HuberLoss(delta=0.3), torch.clone),
    (losses.smooth_l1, {}, nn.SmoothL1Loss(), torch.clone),
    (losses.smooth_l1, {"beta": 0.3}, nn.SmoothL1Loss(beta=0.3), torch.clone),
    (losses.smooth_l1, {"beta": 0.0}, nn.L1Loss(), torch.clone),
    (losses.bce, {}, nn.BCELoss(), torch.sigmoid),
    (losses.bce_with_logits, {}, nn.BCEWithLogitsLoss(), torch.clone),
    (losses.hinge, {}, lambda p, t: torch.where(t == 1, 1 - p, 1 + p).clamp(min=0).mean(), torch.clone),
]
CLASSES = [({}, nn.CrossEntropyLoss()), ({"label_smoothing": 0.2}, nn.CrossEntropyLoss(label_smoothing=0.2))]
NAMES = [f"{loss.__name__}{options or ''}" for loss, options, *_ in SAME_SHAPE]

same_shape = pytest.mark.parametrize(("loss", "options", "oracle", "link"), SAME_SHAPE, ids=NAMES)
by_class = pytest.mark.parametrize(("options", "oracle"), CLASSES)


def pairs(shape, dtype=torch.float64, seed=0):
    """Draw predictions, of any size, and targets 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    prediction = 2 * torch.randn(shape, generator=generator, dtype=dtype)
    return prediction, torch.randint(0, 2, shape, generator=generator).to(dtype)


@same_shape
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (5, 3)])
def test_equals_torch(loss, options, oracle, link, dtype, shape):
    prediction, target = pairs(shape, dtype)
    value = loss(link(prediction), target, **options)
    assert value.shape == ()
    assert value.dtype == dtype
    torch.testing.assert_close(value, oracle(link(prediction), target))


@by_class
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_equals_torch(options, oracle, dtype):
    logits, target = pairs((6, 3), dtype)[0], torch.tensor([0, 1, 2, 2, 1, 0])
    value = losses.cross_entropy(logits, target, **options)
    assert value.shape == ()
    assert value.dtype == dtype
    torch.testing.assert_close(value, oracle(logits, target))


BY_HAND = [  # loss, options, prediction, target, value worked out on paper from the docstring's formula
    (losses.mse, {}, [1.0, 3.0], [0.0, 1.0], 2.5),
    (losses.mae, {}, [1.0, 3.0], [0.0, 1.0], 1.5),
    (losses.huber, {"delta": 2.0}, [1.0, 6.0], [0.0, 1.0], (0.5 + 2 * (5 - 1)) / 2),
    (losses.smooth_l1, {"beta": 2.0}, [1.0, 6.0], [0.0, 1.0], (0.25 + (5 - 1)) / 2),
    (losses.bce, {}, [0.25, 0.25], [0.0, 1.0], -(math.log(0.75) + math.log(0.25)) / 2),
    (losses.bce, {}, [0.0, 1.0], [1.0, 1.0], 50.0),
    (losses.bce_with_logits, {}, [0.0, 1000.0], [1.0, 0.0], (math.log(2) + 1000) / 2),
    (losses.hinge, {}, [0.5, 2.0, 0.5, -3.0], [1.0, 1.0, 0.0, 0.0], (0.5 + 0 + 1.5 + 0) / 4),
]


@pytest.mark.parametrize(("loss", "options", "prediction", "target", "value"), BY_HAND)
def test_equals_the_formula_by_hand(loss, options, prediction, target, value):
    p, t = (torch.tensor(numbers, dtype=torch.float64).unsqueeze(1) for numbers in (prediction, target))
    assert loss(p, t, **options).item() == pytest.approx(value, rel=1e-14)


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(3), 0.0, 0.0, 0.0]], dtype=torch.float64)
    value = losses.cross_entropy(logits, torch.tensor([2, 0]))
    assert value.item() == pytest.approx((math.log(4) + math.log(2)) / 2, rel=1e-14)


@same_shape
def test_gradient_is_that_of_the_value(loss, options, oracle, link):
    prediction, target = pairs((4, 2))
    assert torch.autograd.gradcheck(lambda p: loss(link(p), target, **options), prediction.requires_grad_())


@by_class
def test_gradient_of_cross_entropy(options, oracle):
    logits = pairs((4, 3))[0].requires_grad_()
    target = torch.tensor([0, 2, 1, 1])
    assert torch.autograd.gradcheck(lambda z: losses.cross_entropy(z, target, **options), logits)


def close(batched, alone):
    torch.testing.assert_close(batched, torch.stack(alone), rtol=1e-12, atol=1e-14)


@same_shape
def test_batched_equals_alone(loss, options, oracle, link):
    predictions, targets = pairs((5, 4, 1))

    def one(prediction):
        return loss(link(prediction), targets[0], **options)

    close(vmap(one)(predictions), [one(prediction) for prediction in predictions])
    close(vmap(grad(one))(predictions), [grad(one)(prediction) for prediction in predictions])


@by_class
def test_batched_cross_entropy_equals_alone(options, oracle):
    logits, target = pairs((5, 4, 3))[0], torch.tensor([0, 2, 1, 1])
    one = functools.partial(losses.cross_entropy, target=target, **options)
    close(vmap(one)(logits), [one(each) for each in logits])
    close(vmap(grad(one))(logits), [grad(one)(each) for each in logits])


@same_shape
def test_a_prediction_that_is_no_number_ends_its_own_run_only(loss, options, oracle, link):
    predictions, targets = pairs((3, 4, 1))
    predictions[1, 2] = math.nan

    def one(prediction):
        return loss(link(prediction), targets[0], **options)

    for batch in (vmap(one)(predictions), torch.stack([one(prediction) for prediction in predictions])):
        assert batch.isnan().tolist() == [False, True, False]
    close(vmap(one)(predictions)[::2], [one(prediction) for prediction in predictions[::2]])
    close(vmap(grad(one))(predictions)[::2], [grad(one)(prediction) for prediction in predictions[::2]])


@pytest.mark.parametrize("outside", [-0.1, 1.1, math.inf])
def test_bce_refuses_what_is_no_probability(outside):
    prediction = torch.tensor([[0.5], [outside], [math.nan]])
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        losses.bce(prediction, torch.zeros(3, 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("outside", [-0.1, 1.1, math.inf, math.nan])
def test_bce_leaves_a_cuda_device_usable(outside):
    target = torch.zeros(2, 1, device="cuda")
    assert losses.bce(torch.tensor([[0.5], [outside]], device="cuda"), target).isnan().item()
    assert losses.bce(torch.full((2, 1), 0.5, device="cuda"), target).item() == pytest.approx(math.log(2))


def test_bce_of_certainties_has_a_finite_gradient():
    prediction = torch.tensor([[0.0], [1.0], [0.0], [1.0]], requires_grad=True)
    losses.bce(prediction, torch.tensor([[0.0], [1.0], [1.0], [0.0]])).backward()
    assert prediction.grad.isfinite().all()
    assert prediction.grad[:2].tolist() == [[0.0], [0.0]]


@same_shape
@pytest.mark.parametrize(("left", "right"), [((4, 1), (4,)), ((4,), (4, 1)), ((4, 2), (4, 1)), ((4, 1), (1, 1))])
def test_never_broadcasts(loss, options, oracle, link, left, right):
    with pytest.raises(ComponentError, match=r"prediction has shape .* but target has shape"):
        loss(torch.full(left, 0.5), torch.zeros(right), **options)


@pytest.mark.parametrize(("left", "right"), [((4, 3), (4, 1)), ((4, 3), (3,)), ((4,), (4,)), ((4, 3, 2), (4,))])
def test_cross_entropy_refuses_shapes_that_do_not_fit(left, right):
    with pytest.raises(ComponentError, match=r"expected \(samples, classes\) and class indices \(samples,\)"):
        losses.cross_entropy(torch.zeros(left), torch.zeros(right, dtype=torch.int64))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.mse, LossTraits(minimum=0.0)),
        (losses.bce, LossTraits(minimum=0.0)),
        (losses.bce_with_logits, LossTraits(threshold=0.0, minimum=0.0)),
        (losses.hinge, LossTraits(threshold=0.0, minimum=0.0)),
        (functools.partial(losses.cross_entropy, label_smoothing=0.1), LossTraits(class_indices=True, minimum=0.0)),
    ],
)
def test_traits(loss, expected):
    assert loss_traits(loss) == expected


@settings(deadline=None, max_examples=50)
@given(st.floats(-50, 50), st.sampled_from([0.0, 1.0]))
def test_logits_and_probabilities_agree(logit, target):
    z, t = torch.tensor([[logit]], dtype=torch.float64), torch.tensor([[target]], dtype=torch.float64)
    expected = losses.bce(z.sigmoid(), t).item()
    if expected < 30:  # beyond, the sigmoid has rounded: there the logits are the more exact of the two
        assert losses.bce_with_logits(z, t).item() == pytest.approx(expected, rel=1e-3, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=6), st.floats(0.01, 10))
def test_huber_is_delta_times_smooth_l1(residuals, delta):
    p = torch.tensor(residuals, dtype=torch.float64).unsqueeze(1)
    huber = losses.huber(p, torch.zeros_like(p), delta=delta)
    torch.testing.assert_close(huber, delta * losses.smooth_l1(p, torch.zeros_like(p), beta=delta))
