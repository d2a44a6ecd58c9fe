"""The step of a run, taken apart: what each sample contributes to the gradient, and what is done to each parameter.

Both are small programs, made again and again in a loop, so the size of the code does not depend on the number of
samples. Whether the two together are the step is tried when they are recorded (`one_sample`, `one_entry`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playground.core.compiled.layout import KernelProgram, arrange
from playground.core.compiled.one_entry import record_rule
from playground.core.compiled.one_sample import SampleProgram, record_sample
from playground.core.compiled.phases import Phases
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.gradients import Clip


@dataclass(frozen=True, eq=False)
class StepApart:
    """A step as two programs.

    :param sample: what a sample contributes to the loss and its gradient.
    :param phases: what the optimizer does to an entry of a parameter, from its gradient.
    :param rule: the same with numbered inputs: the first slot is the entry, the others are its state.
    :param clip: limits on the gradient, between the two.
    """

    sample: SampleProgram
    phases: Phases
    rule: KernelProgram
    clip: Clip

    @property
    def entries(self) -> int:
        """The number of entries of all parameters."""
        return len(self.sample.parameters)

    def count_operations(self, samples: int) -> int:
        """Return the operations of a step with so many samples."""
        return samples * self.sample.operations + self.entries * self.rule.operations


def take_apart(spec: DescentSpec, factors: Sequence[float], sample: SampleProgram | None = None) -> StepApart:
    """Take a step apart.

    :param factors: on the learning rate, one for each step.
    :param sample: what a sample contributes, if that is known.
    :raises CannotCompileError: the samples or the parameters depend on one another.
    """
    sample = record_sample(spec) if sample is None else sample
    phases = record_rule(spec, factors)
    return StepApart(sample, phases, arrange(phases, gradient=False), spec.clip or Clip())
