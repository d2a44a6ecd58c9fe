"""Prints a comparison of optimizers in a terminal: one screen for a few baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from playground.comparison import Comparison, ContrastFinding, EffectFinding, PairFinding, ProbeEffect
from playground.figures.factors import (
    INDISTINCT,
    LIMITS,
    VERDICT_SIGNS,
    count_things,
    format_factor,
    format_factor_interval,
    format_factor_range,
    is_indistinct,
    name_pair,
)
from playground.figures.text import cut_text
from playground.report.layout import (
    MIN_COLUMN_WIDTH,
    align_columns,
    print_lines,
    print_wrapped,
    style_text,
    use_encoding,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WORD_COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "cannot tell": "yellow", "": "dim"}

INDENT = 2

LABEL_WIDTH = 11
"""Width of the labels at the left."""

MAX_NAME_CHARACTERS = 20
"""Maximum number of characters of an optimizer's label in a table."""

MAX_NAMED_PROBES = 2
"""Maximum number of probes, better and worse, that are named for each of several pairs."""

LIKE_THESE, ON_SUITE, ONE_SETTING = "on problems like these", "on this suite", "one setting for all"

Part = str | tuple[str, str]
"""Text, or text with its style."""


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print a comparison: the verdicts, where they come from, what would decide them, and whether it was fair."""
    with use_encoding(console):
        _show_blocks(comparison, console)


def _show_blocks(comparison: Comparison, console: Console) -> None:
    for head in _headlines(comparison):
        print_wrapped(console, head, hang=2 * INDENT)
    width = console.width - INDENT
    blocks: list[list[Text | tuple[Text, Text]]] = [
        [_head(comparison), *_verdict_lines(comparison, width)],
        [*_describe_probes(comparison), *_describe_costs(comparison), *_count_problems(comparison, width)],
        list(_describe_conditions(comparison)),
        list(_describe_self_test(comparison)),
        [*(style_text((note, "dim")) for note in comparison.notes), *_describe_expectations(comparison)],
    ]
    for block in filter(None, blocks):
        print_lines(console, [style_text()])
        for line in block:
            _print_line(console, line)


def _describe_expectations(comparison: Comparison) -> Iterator[Text]:
    """Yield each expectation with its mark, and what was found instead if it is not met."""
    for each in comparison.expectations:
        yield style_text(_mark(each.passed), each.what, ("" if each.passed else f", found {each.value}"))


def _print_line(console: Console, line: Text | tuple[Text, Text]) -> None:
    if not isinstance(line, tuple):
        print_wrapped(console, line, INDENT)
        return
    label, text = line
    for part in text.wrap(console, max(MIN_COLUMN_WIDTH, console.width - INDENT - label.cell_len)):
        part.rstrip()
        print_lines(console, [label + part], INDENT)
        label = style_text(" " * label.cell_len)


def _label(name: str, *parts: Part, width: int = LABEL_WIDTH) -> tuple[Text, Text]:
    return style_text((name.ljust(width), "dim")), style_text(*parts)


def _headlines(comparison: Comparison) -> Iterator[Text]:
    first, *others = comparison.optimizers
    yield style_text((first, "bold"), f"  compared with {', '.join(others)}")
    counted = sum(row.headline for row in comparison.problems)
    outside = len(comparison.problems) - counted
    size = f"{count_things(counted, 'problem')} of {count_things(comparison.families, 'family', 'families')}"
    more = f", and {outside} outside the verdict" if outside else ""
    yield style_text(f"  suite {comparison.suite['name']}: {size}{more}")
    if comparison.interrupted:
        yield style_text(("  interrupted: finished problems only; run the same command to continue", "yellow"))


# The verdicts: for one pair a line for each estimand, for several pairs a line for each of them under each estimand


def _head(comparison: Comparison) -> Text:
    pairs = comparison.pairs
    of = pairs[0].baseline if len(pairs) == 1 else "each baseline" if _subjects(pairs) == 1 else "the second"
    who = pairs[0].optimizer if _subjects(pairs) == 1 else "the first"
    return style_text((f"gradient evaluations that {who} needs, relative to {of}", "dim"))


def _subjects(pairs: Sequence[PairFinding]) -> int:
    return len({pair.optimizer for pair in pairs})


def _verdict_lines(comparison: Comparison, width: int) -> list[Text]:
    one = len(comparison.pairs) == 1
    lines = list(_one_pair_rows(comparison.pairs[0]) if one else _several_pairs_rows(comparison))
    rows = [line for line in lines if isinstance(line, list)]
    aligned = align_columns(rows, right={1}, give=0, width=width)
    if any(line.cell_len > width for line in aligned):  # without the last column, which is the least important one
        aligned = align_columns([row[:-1] for row in rows], right={1}, give=0, width=width)
    waiting = iter(aligned)
    return [next(waiting) if isinstance(line, list) else line for line in lines]


def _one_pair_rows(pair: PairFinding) -> Iterator[Text | list[str | Text]]:
    """Yield a row for each estimand."""
    if pair.like_these is None:
        yield style_text((pair.refusal, "yellow"))
    else:
        yield [LIKE_THESE, *_effect_cells(pair.like_these)]
    yield [ON_SUITE, *_effect_cells(pair.suite)]
    if pair.shared is not None:
        yield [ONE_SETTING, *_effect_cells(pair.shared)]
    if pair.new_problem is not None:
        yield ["a new problem", "", format_factor_range(*pair.new_problem), "", ""]


def _several_pairs_rows(comparison: Comparison) -> Iterator[Text | list[str | Text]]:
    """Yield, for each estimand, a heading and a row for each pair."""
    pairs = comparison.pairs
    yield from (style_text((text, "yellow")) for text in dict.fromkeys(pair.refusal for pair in pairs) if text)
    judged = [(pair, pair.like_these) for pair in pairs if pair.like_these is not None]
    if judged:
        yield style_text(LIKE_THESE, ("; at the right, on a single new problem", "dim"))
    for pair, effect in judged:
        new = format_factor_range(*pair.new_problem) if pair.new_problem else ""
        yield [_name(comparison, pair), *_effect_cells(effect, new)]
    yield style_text(ON_SUITE)
    for pair in pairs:
        yield [_name(comparison, pair), *_effect_cells(pair.suite)]


def _name(comparison: Comparison, pair: PairFinding) -> str:
    return f"  {cut_text(name_pair(comparison, pair), MAX_NAME_CHARACTERS)}"


def _effect_cells(effect: EffectFinding, more: str = "") -> list[str | Text]:
    """Return factor, interval, verdict, and what else the row says."""
    verdict = f"{VERDICT_SIGNS[effect.word]} {effect.word.upper()}"
    return [
        format_factor(effect.factor),
        format_factor_interval(effect.low, effect.high),
        style_text((verdict, f"bold {WORD_COLOURS[effect.word]}"), effect.text.removeprefix(effect.word)),
        style_text((more, "dim")),
    ]


# Where the verdicts come from


def _describe_probes(comparison: Comparison) -> Iterator[tuple[Text, Text] | Text]:
    """Yield on which probes the optimizer is better or worse: all of them for one pair, else the strongest."""
    pairs = comparison.pairs
    if len(pairs) == 1:
        for place, (word, probes) in enumerate(_group_probes(pairs[0].probes).items()):
            what = f"{word} on" if word else "under 5 families:"
            yield _label("" if place else "where", *_list_probes(word, probes, what))
        return
    yield style_text(("where, by probe (·: under 5 families)", "dim"))
    width = max(len(_name(comparison, pair)) for pair in pairs) + 2
    for pair in pairs:
        name, text = _label("", *_summarize_probes(pair.probes), width=0)
        yield name + style_text(_name(comparison, pair).ljust(width)), text


def _group_probes(probes: Sequence[ProbeEffect]) -> dict[str, list[ProbeEffect]]:
    """Return the probes by verdict, the strongest first."""
    groups = {word: [each for each in probes if each.word == word] for word in VERDICT_SIGNS}
    return {
        word: sorted(group, key=lambda each: each.factor, reverse=word == "worse")
        for word, group in groups.items()
        if group
    }


def _list_probes(word: str, probes: Sequence[ProbeEffect], what: str = "") -> Iterator[Part]:
    yield f"{VERDICT_SIGNS[word]} {what}".strip() + " ", WORD_COLOURS[word]
    yield ", ".join(f"{each.probe} {format_factor(each.factor)}" for each in probes)


def _summarize_probes(probes: Sequence[ProbeEffect]) -> Iterator[Part]:
    """Yield the strongest probes with a verdict, and the number of the others."""
    groups = _group_probes(probes)
    for word in ("better", "worse"):
        if word in groups:
            yield from _list_probes(word, groups[word][:MAX_NAMED_PROBES])
            more = len(groups[word]) - MAX_NAMED_PROBES
            yield f" and {more} more  " if more > 0 else "  "
    for word in ("equivalent", "cannot tell", ""):
        if word in groups:
            yield f"{VERDICT_SIGNS[word]} {len(groups[word])} {word}".strip() + "  ", "dim"


def _describe_costs(comparison: Comparison) -> Iterator[tuple[Text, Text]]:
    """Yield what properties of problems cost the first optimizer."""
    found = [each for each in comparison.contrasts if each.optimizer == comparison.optimizers[0]]
    if found:
        costs = ", ".join(f"{each.property} {format_factor(each.factor)}{_sign(each)}" for each in found)
        yield _label("costs", costs, (f"  ({found[0].optimizer} with the property, relative to without)", "dim"))


def _sign(contrast: ContrastFinding) -> str:
    if contrast.low is None or contrast.high is None:
        return VERDICT_SIGNS[""]
    return VERDICT_SIGNS["worse" if contrast.low > 1 else "better" if contrast.high < 1 else "cannot tell"]


def _count_problems(comparison: Comparison, width: int) -> Iterator[tuple[Text, Text] | Text]:
    """Yield on how many problems each pair is better, worse, equal, or cannot be told; and how many tell nothing."""
    if len(comparison.pairs) == 1:
        tally = comparison.pairs[0].tally
        text = f"better {tally.better}, worse {tally.worse}, equal {tally.equal}, cannot tell {tally.cannot_tell}"
        yield _label("problems", text)
    else:
        heads = [
            style_text((head, "dim")) for head in ("problems", "better", "worse", "equal", "cannot tell", ONE_SETTING)
        ]
        rows = [_tally_row(comparison, pair) for pair in comparison.pairs]
        yield from align_columns([heads, *rows], right={1, 2, 3, 4}, give=0, width=width)
    indistinct = sum(map(is_indistinct, comparison.problems))
    if indistinct:
        yield style_text((f"{indistinct} of {len(comparison.problems)} problems {INDISTINCT}", "dim"))


def _tally_row(comparison: Comparison, pair: PairFinding) -> list[str | Text]:
    counts = [pair.tally.better, pair.tally.worse, pair.tally.equal, pair.tally.cannot_tell]
    shared: str | Text = "–"
    if (effect := pair.shared) is not None:
        factor = f"{format_factor(effect.factor)} {format_factor_interval(effect.low, effect.high)}"
        shared = style_text(f"{factor} ", (VERDICT_SIGNS[effect.word], WORD_COLOURS[effect.word]))
    return [_name(comparison, pair), *map(str, counts), shared]


def _describe_self_test(comparison: Comparison) -> Iterator[tuple[Text, Text] | Text]:
    """Yield how often verdicts like these are wrong, and what is required."""
    name = ""
    for row in comparison.self_test:
        if row.name != name:
            name = row.name
            yield style_text(f"self-test: {name}")
        label = style_text("  ", _mark(row.passed), f"{row.rate:.1%}".rjust(6) + "  ")
        yield label, style_text(row.measured, (f"; required {row.requirement}", "dim"))


# What would decide it, and whether it was fair


def _describe_conditions(comparison: Comparison) -> Iterator[tuple[Text, Text]]:
    undecided: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        if pair.more:
            undecided.setdefault(pair.more, []).append(name_pair(comparison, pair))
    for place, (more, names) in enumerate(undecided.items()):
        whom = "" if len(comparison.pairs) == 1 else f"{', '.join(names)}: "
        yield _label("" if place else "to decide", f"{whom}{more}")
    yield _label("holds", *_describe_metrics(comparison))
    yield from _describe_fairness(comparison)
    yield from _describe_look(comparison)
    yield _label("limits", LIMITS)


def _describe_metrics(comparison: Comparison) -> Iterator[Part]:
    """Yield whether the verdicts are the same by other metrics, and those that are not."""
    names = dict.fromkeys(name for pair in comparison.pairs for name in pair.holds)
    for place, name in enumerate(names):
        words = {name_pair(comparison, pair): pair.holds.get(name, "") for pair in comparison.pairs}
        verdicts = [pair.headline.word for pair in comparison.pairs]
        others: dict[str, list[str]] = {}
        for pair, word in zip(words, verdicts, strict=True):
            if words[pair] != word:
                others.setdefault(words[pair], []).append(pair)
        yield f"{'  ' if place else 'by '}{name} "
        yield _mark(not others)
        yield ", ".join(f"{word} ({', '.join(each)})" if len(words) > 1 else word for word, each in others.items())


def _describe_fairness(comparison: Comparison) -> Iterator[tuple[Text, Text]]:
    ledger = comparison.ledger
    trials = list(dict.fromkeys(entry.trials for entry in ledger))
    each = f"{trials[0]} trials each" if len(trials) == 1 else _list_trials(comparison)
    yield _label("fair?", _mark(len(trials) == 1), f"{each}, scored on fresh seeds, with the same starts")
    edges = _list_counts([(entry.optimizer, entry.at_edge, entry.choices) for entry in ledger], "choices")
    yield _label("", _mark(edges == "none"), f"at the grid's edge: {edges}")
    failed = _list_counts([(entry.optimizer, entry.failed, entry.runs) for entry in ledger], "runs")
    yield _label("", f"· failed: {failed}")


def _mark(good: bool) -> tuple[str, str]:
    return ("✔ ", "green") if good else ("✘ ", "red")


def _list_trials(comparison: Comparison) -> str:
    return f"unequal trials: {', '.join(f'{entry.optimizer} {entry.trials}' for entry in comparison.ledger)}"


def _list_counts(counts: Sequence[tuple[str, int, int]], noun: str) -> str:
    """Return the counts that are not 0, with their totals: `adam 3, sgd 5 of 45 choices`."""
    found = [each for each in counts if each[1]]
    totals = {total for _, _, total in found}
    if len(totals) == 1:
        return f"{', '.join(f'{name} {count:,}' for name, count, _ in found)} of {totals.pop():,} {noun}"
    return ", ".join(f"{name} {count:,} of {total:,}" for name, count, total in found) or "none"


def _describe_look(comparison: Comparison) -> Iterator[tuple[Text, Text]]:
    protocol = comparison.protocol
    yield _label("look", f"{protocol.look}, which spends α {protocol.alpha:g} of {protocol.total_alpha:g}")
    if any(pair.like_these is not None for pair in comparison.pairs) and protocol.resolution:
        found = [f"{format_factor(factor)} if by {2**spread:g}×" for spread, factor in protocol.resolution.items()]
        text = f"80 % power at {', '.join(found)}".replace("if by", "if families differ by", 1)
        yield _label("", (text, "dim"))
