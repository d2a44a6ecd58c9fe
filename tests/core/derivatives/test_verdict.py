"""Derivatives that are wrong are caught and named for what they are; right ones raise no alarm."""

import functools
import pkgutil

import pytest
import torch

from playground import builtin
from playground.builtin import losses, models
from playground.builtin.functions import classic as functions
from playground.core.derivatives import Cause, Coordinate, DerivativeEntry, check_derivatives, judge_entry, routes_agree
from playground.core.setting import one_thread

DOUBLE, SINGLE = torch.float64, torch.float32


@pytest.fixture(autouse=True)
def _one_thread():
    """As in every run: on a busy machine a second thread makes small steps many times slower."""
    with one_thread():
        yield


def squares(backward):
    """Σ z², with a backward of one's own."""

    class Squares(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z.square().sum()

        @staticmethod
        def backward(ctx, upstream):
            return upstream * backward(ctx.saved_tensors[0])

    return Squares.apply


def findings(g, at, dtype=DOUBLE, order=1):
    z = torch.tensor(at, dtype=dtype)
    names = [Coordinate("z", index) for index in range(len(at))]
    eps = torch.finfo(dtype).eps
    return [judge_entry(entry, eps) for entry in check_derivatives(g, z, names, order).entries]


SPECIMENS = {
    "a factor forgotten": (squares(lambda z: z), [3.0, 1.0], Cause.BACKWARD, "it is 0.5 times as large"),
    "a factor too many": (squares(lambda z: 6 * z), [3.0, 1.0], Cause.BACKWARD, "it is 3 times as large"),
    "the wrong sign": (squares(lambda z: -2 * z), [3.0, 1.0], Cause.BACKWARD, "its sign is wrong"),
    "nothing comes back": (squares(lambda z: 0 * z), [3.0, 1.0], Cause.BACKWARD, "it is zero"),
    "not zero at a minimum": (squares(lambda z: 2 * z + 1), [0.0, 0.0], Cause.BACKWARD, "it is not zero"),
    "a little off": (squares(lambda z: 2.001 * z), [3.0, 1.0], Cause.BACKWARD, "a wrong backward"),
    "cut off, without a complex step": (
        lambda z: (z.detach().abs() * z).sum(),
        [3.0, 1.0],
        Cause.BACKWARD,
        "0.5 times as large, in forward mode as well",
    ),
    "cut off": (lambda z: (z.detach() * z).sum(), [3.0, 1.0], Cause.BACKWARD, "cut off from the graph"),
    "cut off altogether": (lambda z: z.detach().abs().sum(), [3.0, 1.0], Cause.BACKWARD, "it is zero"),
    "relu at 0": (lambda z: z.relu().sum(), [0.0, 0.0], Cause.KINK, "0 to the left and 1 to the right"),
    "abs at 0": (lambda z: z.abs().sum(), [0.0, 0.0], Cause.KINK, "-1 to the left and 1 to the right"),
    "a tie": (lambda z: torch.maximum(z[0], z[1]), [1.0, 1.0], Cause.KINK, "a kink"),
    "a pole": (lambda z: z.sqrt().sum(), [0.0, 0.0], Cause.DOMAIN, "not finite"),
    "nothing but rounding": (lambda z: torch.sin(1e12 * z.abs()).sum(), [0.3, 0.4], Cause.STEP, "no step suits"),
}


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
@pytest.mark.parametrize(("g", "at", "cause", "words"), SPECIMENS.values(), ids=SPECIMENS)
def test_what_is_wrong_is_named(g, at, cause, words, dtype):
    if cause is Cause.STEP and dtype is SINGLE:
        pytest.skip("its argument is rounded to nothing in float32")
    for found in findings(g, at, dtype):
        assert (found.cause, words in found.words) == (cause, True), found


def test_one_element_alone():
    def backward(z):
        result = 2 * z
        result[1] *= 1.1
        return result

    first, second, third = findings(squares(backward), [3.0, 1.0, 2.0])
    assert (first, third) == (None, None)
    assert second.cause is Cause.BACKWARD


def test_noise_of_float32_is_told_from_a_mistake():
    def g(z):
        return ((z + 1) ** 3 - z**3 - 3 * z**2).sum()  # 3 z + 1, but in float32 all digits cancel

    (found,) = findings(g, [7777.0], SINGLE)
    assert found.cause is Cause.NOISE
    assert findings(g, [7.0], DOUBLE) == [None]


def test_one_route_that_alone_disagrees_is_blamed():
    z = torch.tensor([3.0], dtype=DOUBLE)
    (entry,) = check_derivatives(lambda z: z.square().sum(), z, [Coordinate("z", 0)]).entries
    wrong = functools.partial(type(entry), **{**vars(entry), "routes": {**entry.routes, "given": 7.0}})()
    found = judge_entry(wrong, 1e-16)
    assert (found.cause, found.routes) == (Cause.ROUTE, ("given",))
    assert not routes_agree(wrong, "autograd", "given", 1e-16)


def test_no_majority_is_no_verdict():
    z = torch.tensor([3.0], dtype=DOUBLE)
    (entry,) = check_derivatives(lambda z: z.square().sum(), z, [Coordinate("z", 0)]).entries
    torn = functools.partial(
        type(entry), **{**vars(entry), "routes": {**entry.routes, "given": 7.0, "symbolic": 8.0}}
    )()
    assert judge_entry(torn, 1e-16).cause is Cause.UNDECIDED


def differ(error, **routes):
    """An entry with these routes; `error` is that of central differences."""
    precise = routes["autograd"]
    return DerivativeEntry(
        by=(Coordinate("z", 0),),
        routes=routes,
        precise=precise,
        scaled=precise,
        again=precise,
        error=error,
        rounding_sensitivity=1.0,
        value=1.0,
        second_value=1.0,
    )


OFF, LITTLE, NOISY, RIGHT_NOISY = 2 * (1 + 1e-6), 2 * (1 + 1e-9), 2 * (1 + 3e-7), 2 * (1 + 7e-7)
EXACT_ROUTES = {
    # Central differences see the difference.
    "symbolic against it": (1e-11, {"autograd": OFF, "symbolic": 2, "central": 2}, Cause.BACKWARD),
    "symbolic against it, a little": (1e-12, {"autograd": LITTLE, "symbolic": 2, "central": 2}, Cause.BACKWARD),
    "complex against it": (1e-11, {"autograd": OFF, "complex": 2, "central": 2}, Cause.BACKWARD),
    "both against it": (1e-11, {"autograd": OFF, "complex": 2, "symbolic": 2, "central": 2}, Cause.BACKWARD),
    "forward against it": (1e-11, {"autograd": OFF, "forward": 2, "symbolic": 2, "central": 2}, Cause.BACKWARD),
    # They do not see it, and two exact routes agree with each other.
    "coarse, both": (1e-6, {"autograd": OFF, "complex": 2, "symbolic": 2, "central": NOISY}, Cause.BACKWARD),
    "coarse, forward": (1e-6, {"autograd": OFF, "forward": 2, "symbolic": 2, "central": NOISY}, Cause.BACKWARD),
    "coarse, all": (
        1e-6,
        {"autograd": OFF, "forward": 2, "complex": 2, "symbolic": 2, "central": NOISY},
        Cause.BACKWARD,
    ),
    "coarse, cut off": (
        1e-6,
        {"autograd": OFF, "forward": OFF, "complex": 2, "symbolic": 2, "central": NOISY},
        Cause.BACKWARD,
    ),
    # One formula against one backward pass, and nothing to tell: either may cancel.
    "coarse, symbolic alone": (1e-6, {"autograd": OFF, "symbolic": 2, "central": NOISY}, Cause.STEP),
    "coarse, complex alone": (1e-6, {"autograd": OFF, "complex": 2, "central": RIGHT_NOISY}, Cause.STEP),
    "coarse, three numbers": (
        1e-6,
        {"autograd": OFF, "complex": 2 * (1 + 5e-7), "symbolic": 2, "central": NOISY},
        Cause.UNDECIDED,
    ),
    # Routes that work on the function as it is written confirm autograd: digits cancel in it, and not in the algebra.
    "cancels, complex agrees": (1e-6, {"autograd": LITTLE, "complex": LITTLE, "symbolic": 2, "central": 2}, None),
    "cancels, forward agrees": (1e-6, {"autograd": LITTLE, "forward": LITTLE, "symbolic": 2, "central": 2}, None),
    "cancels, central agrees": (1e-12, {"autograd": LITTLE, "symbolic": 2, "central": LITTLE}, None),
    "more than cancels": (1e-11, {"autograd": 2, "complex": 2, "symbolic": 2.001, "central": 2}, Cause.ROUTE),
    # Central differences alone disagree with what an exact route confirms.
    "outweighed by symbolic": (1e-12, {"autograd": 2, "symbolic": 2, "central": OFF}, None),
    "outweighed by complex": (1e-12, {"autograd": 2, "complex": 2, "central": OFF}, None),
    "not outweighed by forward": (1e-12, {"autograd": 2, "forward": 2, "central": OFF}, Cause.BACKWARD),
}


@pytest.mark.parametrize(("error", "routes", "cause"), EXACT_ROUTES.values(), ids=EXACT_ROUTES)
def test_two_exact_routes_outweigh_central_differences(error, routes, cause):
    found = judge_entry(differ(error, **routes), torch.finfo(DOUBLE).eps)
    assert (found and found.cause) is cause, found


@pytest.mark.parametrize("off", [1e-3, 1e-6, 1e-8])
def test_a_backward_that_is_a_little_off_is_caught(off):
    found = findings(squares(lambda z: 2 * (1 + off) * z), [3.0, 1.0])
    assert {each and each.cause for each in found} == {Cause.BACKWARD}


def test_a_wrong_hessian_is_caught():
    (found,) = findings(lambda z: (z.detach().abs() * z).sum(), [3.0], order=2)
    assert (found.cause, "it is zero" in found.words) == (Cause.BACKWARD, True)
    assert [found.cause for found in findings(squares(lambda z: 3 * z), [3.0], order=2)] == [Cause.BACKWARD]


# No false alarms


def test_a_sum_with_1_raises_no_alarm_near_0():
    for power in range(-35, -3, 3):
        for sign in (1, -1):
            assert findings(lambda z: (1 + z).log().sum(), [sign * 10 ** (power / 4)]) == [None]


def registered(name):
    return getattr(functions, name)


def of_a_loss(name, generator):
    """A loss of random predictions, as g(z), and z."""
    loss = getattr(losses, name)
    z = 3 * torch.randn(4, generator=generator, dtype=DOUBLE)
    labels = torch.randint(0, 2, (2, 2), generator=generator)
    if name == "cross_entropy":
        return lambda z: loss(z.reshape(2, 2), labels[0]), z
    return lambda z: loss(z.reshape(2, 2), labels.to(z)), z.sigmoid() if name == "bce" else z


def of_a_function(name, generator):
    function = FUNCTIONS[name]
    low, high = torch.tensor(function.domain, dtype=DOUBLE).T
    return function, low + (high - low) * torch.rand(len(low), generator=generator, dtype=DOUBLE)


def of_an_activation(name, generator):
    return lambda z: models.ACTIVATIONS[name](z).sum(), 3 * torch.randn(2, generator=generator, dtype=DOUBLE)


FUNCTIONS = {
    name: pkgutil.resolve_name(factory)()
    for name, factory in builtin.playground_functions().items()
    if name != "expression"
}
RIGHT = {
    **{f"function {name}": functools.partial(of_a_function, name) for name in FUNCTIONS},
    **{f"loss {name}": functools.partial(of_a_loss, name) for name in builtin.playground_losses()},
    **{f"activation {name}": functools.partial(of_an_activation, name) for name in models.ACTIVATIONS},
}


def alarms(name, count, dtype, order):
    generator = torch.Generator().manual_seed(7)
    found = []
    for _ in range(count):
        g, z = RIGHT[name](generator)
        found += [(each, z.tolist()) for each in findings(g, z.tolist(), dtype, order) if each is not None]
    return found


@pytest.mark.product(20)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["float64", "float32"])
@pytest.mark.parametrize("name", RIGHT)
def test_no_false_alarm_at_a_few_points(name, dtype):
    assert alarms(name, 5, dtype, order=1) == []


@pytest.mark.product(13)
@pytest.mark.slow
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["float64", "float32"])
@pytest.mark.parametrize("name", RIGHT)
def test_no_false_alarm(name, dtype):
    assert alarms(name, 40, dtype, order=1) == []


@pytest.mark.product(8)
@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_no_false_alarm_of_second_derivatives(name):
    assert alarms(name, 10, DOUBLE, order=2) == []


@pytest.mark.slow
def test_the_second_derivative_of_bce_is_noise_in_float32_near_certainty():
    """torch's own formula loses all digits there; what is told is that, and not a wrong backward."""
    causes = {found.cause for found, _ in alarms("loss bce", 15, SINGLE, order=2)}
    assert causes <= {Cause.NOISE}
