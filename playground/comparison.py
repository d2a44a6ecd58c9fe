"""What a comparison of optimizers found: frozen plain data, which a notebook and every report show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.result import Expectation, Verdict


@dataclass(frozen=True, kw_only=True)
class EffectFinding:
    """How many gradient evaluations one optimizer needs, as a multiple of another's, and what that allows to say.

    :param factor: below 1, the first optimizer needs fewer.
    :param low: lower end of the interval.
    :param high: upper end.
    :param word: `better`, `worse`, `equivalent` or `cannot tell`.
    :param text: the word with its qualification: `better by more than 1.25×`.
    :param equivalent: a difference of more than a margin is excluded, whether or not there is a smaller one.
    """

    factor: float
    low: float
    high: float
    word: str
    text: str
    equivalent: bool = False


@dataclass(frozen=True, kw_only=True)
class FamilyEffect:
    """The factor in one family, with an interval over studies.

    :param problems: how many problems of the family count.
    """

    family: str
    probe: str
    problems: int
    factor: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ProbeEffect:
    """The factor over the families that probe one thing.

    :param word: as in `EffectFinding`; empty for fewer than five families, which have no interval.
    """

    probe: str
    families: int
    factor: float
    low: float | None
    high: float | None
    word: str


@dataclass(frozen=True, kw_only=True)
class ProblemTally:
    """The number of problems on which the first optimizer is better, worse, equal, or the studies cannot tell."""

    better: int
    worse: int
    equal: int
    cannot_tell: int


@dataclass(frozen=True, kw_only=True)
class PairFinding:
    """What may be said of one optimizer and one baseline.

    :param like_these: on problems like those of the suite; None if the suite has too few families.
    :param refusal: why; empty otherwise.
    :param suite: on the problems of the suite.
    :param new_problem: interval of the factor on a new problem.
    :param shared: like `like_these`, with one setting for all problems; None without an interval.
    :param holds: the word on problems like these (else on the suite) by another metric, by its name.
    :param more: what would decide it; empty if it is decided.
    :param improvement: probability that a run of the first needs fewer evaluations than one of the second.
    :param middle: the factor over the middle half of the problems.
    """

    optimizer: str
    baseline: str
    like_these: EffectFinding | None
    refusal: str
    suite: EffectFinding
    new_problem: tuple[float, float] | None
    shared: EffectFinding | None
    holds: Mapping[str, str]
    more: str
    tally: ProblemTally
    families: Sequence[FamilyEffect]
    probes: Sequence[ProbeEffect]
    improvement: float
    middle: float

    @property
    def headline(self) -> EffectFinding:
        """The finding that a verdict quotes: on problems like these, or else on the suite."""
        return self.like_these or self.suite


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """What an optimizer was given, so that a reader can judge whether the comparison was fair.

    :param specification: the optimizer with its fixed and tuned parameters.
    :param trials: settings tried on each problem in each study.
    :param tuning: gradient evaluations of tuning runs.
    :param scoring: gradient evaluations of scoring runs.
    :param at_edge: choices at the edge of what was tried, of `choices`.
    :param failed: runs that diverged, became non-finite or raised, of `runs`.
    :param engines: runs by engine.
    :param source: hash of the optimizer's source; empty for one of the package or of torch.
    """

    optimizer: str
    specification: str
    trials: int
    tuning: int
    scoring: int
    at_edge: int
    choices: int
    failed: int
    runs: int
    engines: Mapping[str, int]
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class ContrastFinding:
    """What a property of problems costs an optimizer: evaluations with it, as a multiple of those without.

    :param changes: the factor of each pair of problems, by the name of the problem with the property.
    :param factor: over all families.
    :param low: end of its interval; None for fewer than five families.
    """

    property: str
    optimizer: str
    changes: Mapping[str, float]
    families: int
    factor: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class ProblemRow:
    """A problem with the result of each optimizer.

    :param log_evaluations: mean log2 evaluations by optimizer.
    :param reached: share of runs that reach the hardest target, by optimizer.
    :param failed: share of scoring runs that failed, by optimizer.
    :param resolution: spread between tuned optimizers over the noise of seeds; below 0.3 it tells nothing apart.
    """

    problem: str
    family: str
    probe: str
    headline: bool
    log_evaluations: Mapping[str, float]
    reached: Mapping[str, float]
    failed: Mapping[str, float]
    resolution: float | None


@dataclass(frozen=True, kw_only=True)
class OptimizerCurves:
    """Curves of one optimizer over the suite.

    :param reached: share of all targets reached, at `evaluations`; with a band over families.
    :param rates: values of the tuned parameter, if it is a single one, with the mean log2 evaluations at each.
    :param chosen: the settings chosen, with how often, if there is a single tuned parameter.
    :param expected_best: mean log2 evaluations of the best of k settings tried at random, from k = 1.
    """

    optimizer: str
    evaluations: Sequence[float]
    reached: Sequence[float]
    reached_low: Sequence[float]
    reached_high: Sequence[float]
    rates: Sequence[float] = ()
    rate_scores: Sequence[float] = ()
    chosen: Mapping[float, int] = field(default_factory=dict)
    expected_best: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the comparison was made, declared before it ran.

    :param hash: of the metric and everything below.
    :param look: how often these optimizers were compared on this suite, this time included.
    :param alpha: the error probability that this look spends.
    :param resolution: the factor that can be told on problems like these, by the spread of families, at 80 % power.
    """

    metric: str
    hash: str
    studies: int
    tuning_seeds: int
    scoring_seeds: int
    look: int
    alpha: float
    total_alpha: float
    resolution: Mapping[float, float]


@dataclass(frozen=True, kw_only=True)
class SelfTestFinding:
    """How often a comparison decides wrongly, or finds what is there, by repeats with its own runs.

    :param measured: what was counted.
    :param rate: the share of the repeats; with Wilson's 95 % interval from `low` to `high`.
    :param requirement: what is required of the rate.
    """

    name: str
    measured: str
    repeats: int
    rate: float
    low: float
    high: float
    requirement: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.name}, {self.measured}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The whole result.

    :param optimizers: labels; the first one is what the verdicts are about.
    :param pairs: the findings, one for each pair.
    :param problems: every problem, those outside the headline last.
    :param unmet: expectations that are not met, each with the reason.
    :param notes: remarks: engines that were not used, optimizers that changed since the last look.
    :param seconds: wall time by stage; `compute` is summed over processes.
    :param self_test: how often it decides wrongly; empty unless it was asked for.
    :param suite: name, file and hash of the suite.
    """

    suite: Mapping[str, str]
    families: int
    optimizers: Sequence[str]
    pairs: Sequence[PairFinding]
    problems: Sequence[ProblemRow]
    contrasts: Sequence[ContrastFinding]
    curves: Sequence[OptimizerCurves]
    ledger: Sequence[LedgerEntry]
    protocol: Protocol
    expected: Sequence[str] = ()
    unmet: Sequence[str] = ()
    notes: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    interrupted: bool = False
    self_test: Sequence[SelfTestFinding] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether all expectations are met, and the self-test if it was made."""
        failed = self.unmet or not all(each.passed for each in self.self_test)
        if not (self.expected or self.self_test):
            return Verdict.NONE
        return Verdict.FAILED if failed else Verdict.PASSED

    @property
    def scenario(self) -> str:
        """The name beside those of scenarios: `adam on core`."""
        return f"{self.optimizers[0]} on {self.suite['name']}"

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """Every expectation with what was found if it is not met, and the rows of the self-test that failed."""
        failed = (each for each in self.self_test if not each.passed)
        return (
            *map(self._judge, self.expected),
            *(
                Expectation(f"self-test: {each}: {each.requirement}", f"{each.rate:.1%}", passed=False)
                for each in failed
            ),
        )

    def _judge(self, text: str) -> Expectation:
        start = f"expected {text}, found "
        found = next((miss.removeprefix(start) for miss in self.unmet if miss.startswith(start)), None)
        return Expectation(text, "shown" if found is None else found, passed=found is None)

    @property
    def duration(self) -> float:
        """The time of all stages, in seconds."""
        return sum(self.seconds.values())

    @property
    def file(self) -> str:
        """The file of the suite."""
        return self.suite["file"]

    def to_pandas(self) -> Any:
        """Return the findings as a data frame, one row for each pair.

        :raises ImportError: pandas is not installed.
        """
        from importlib import import_module

        pandas: Any = import_module("pandas")  # which has no types
        return pandas.DataFrame([self._row(pair) for pair in self.pairs])

    def _row(self, pair: PairFinding) -> dict[str, Any]:
        found: dict[str, Any] = {"optimizer": pair.optimizer, "baseline": pair.baseline}
        for name, effect in (("like_these", pair.like_these), ("suite", pair.suite), ("one_setting", pair.shared)):
            for part in ("factor", "low", "high", "word"):
                found[f"{name}_{part}"] = getattr(effect, part) if effect else None
        low, high = pair.new_problem or (None, None)
        return {**found, "new_problem_low": low, "new_problem_high": high, "more": pair.more}

    def __str__(self) -> str:
        from playground.figures.notebook import comparison_line

        return comparison_line(self)

    def _repr_html_(self) -> str:
        """Return the comparison as HTML, for a notebook."""
        from playground.figures.notebook import comparison_html

        return comparison_html(self)
