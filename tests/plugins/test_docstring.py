import inspect
from dataclasses import dataclass

import pytest

from playground.plugins.docstring import descriptions, own_docstring, parse_descriptions, prose

SPHINX = """Rule of someone.

:param lr: the learning rate,
    in units of nothing: any.
:param float beta: decay
:returns: not a parameter.
:param kwargs: rest

Source: someone 1960.
"""

GOOGLE = """Implements it.

.. math::
    a: b

Args:
    params (iterable): parameters
        to optimize: all
    lr (float, optional): rate (default: 1e-3)
    betas (tuple[Union[float, Tensor], float], optional):
        coefficients
    *rest: others

Note:
    lr: not this
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            SPHINX,
            {"lr": "the learning rate, in units of nothing: any.", "beta": "decay", "kwargs": "rest"},
        ),
        (
            GOOGLE,
            {
                "params": "parameters to optimize: all",
                "lr": "rate (default: 1e-3)",
                "betas": "coefficients",
                "rest": "others",
            },
        ),
        ("", {}),
        ("lr: no section", {}),
    ],
)
def test_parameters_are_described_in_both_styles(text, found):
    assert parse_descriptions(text) == found


def test_prose_leaves_the_parameters_out():
    assert prose(SPHINX) == "Rule of someone.\n\n:returns: not a parameter.\n\nSource: someone 1960."
    assert prose("Plain.") == "Plain."


class Base:
    """Base.

    :param lr: of the base
    :param decay: of the base
    """


class Derived(Base):
    """Derived.

    :param lr: of the derived
    """

    def __init__(self, lr, decay, extra):
        """Make it.

        :param extra: of the constructor
        """


@dataclass
class Silent(Base):
    lr: float = 1.0


def test_a_class_is_described_by_its_bases_and_its_constructor_too():
    assert descriptions(Derived) == {
        "lr": "of the derived",
        "decay": "of the base",
        "extra": "of the constructor",
    }


def test_only_what_was_written_for_a_factory_is_its_docstring():
    assert own_docstring(Silent) == ""
    assert own_docstring(Derived).startswith("Derived.")
    assert own_docstring(int.__add__) != ""
    assert own_docstring(Derived(1, 2, 3)).startswith("Derived.")


def test_prose_has_no_directives_and_no_sections_of_parameters():
    text = """Step.

    .. math::
       a

       b

    See `there`_.

    Args:
        lr: a rate

            of learning

    Done.
    .. _there: https://example.org
    """
    assert prose(inspect.cleandoc(text)) == "Step.\n\nSee `there`_.\n\nDone."
