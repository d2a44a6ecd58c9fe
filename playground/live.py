"""What a live page is given: the programs of a descent, and all that they read. Plain frozen data, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SIZES = ("kept", "ordered", "span", "samples", "batch")
"""Integers at the start of a module's memory: how many losses are kept, the first step and the number of steps that the
array `order` holds, how many samples there are, and how many of them are in a mini-batch. Modules that loop over
samples read the last two; a batch of 0, or of all samples, has them in their own order."""

ELEMENT_BYTES = {"f32": 4, "f64": 8, "i32": 4, "i64": 8}


@dataclass(frozen=True)
class WasmArray:
    """An array in the memory of a module.

    :param name: what it holds.
    :param element: `f32`, `f64`, `i32` or `i64`.
    :param count: values in a row.
    :param lanes: numbers in each value: the lanes of a vector, or 1.
    :param rows: what there is a row for: any of `tiles` of runs, `steps`, `kept` losses, `streams` of samples, the
        `span` of steps that they hold, `samples`, the samples of a `batch`, and tiles of `points`; the slowest first,
        nothing for a single row.
    :param role: `input` if the caller fills it, `output` if the caller reads it, else `state`.
    """

    name: str
    element: str
    count: int
    lanes: int = 1
    rows: tuple[str, ...] = ()
    role: str = "input"

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return ELEMENT_BYTES[self.element] * self.count * self.lanes

    def count_bytes(self, sizes: Mapping[str, int]) -> int:
        """Return the bytes of the array.

        :param sizes: how many rows there are of each kind.
        """
        found = self.row_bytes
        for each in self.rows:
            found *= sizes[each]
        return found


@dataclass(frozen=True)
class Layout:
    """The memory of a module: integers of 32 bits for `SIZES` and for the address of each array, then the arrays.

    Whoever calls the functions chooses the addresses.

    :param width: the runs in a tile, one for each lane of a vector.
    :param arrays: in the order of their addresses at the start of the memory.
    :param reserved: where the first array may begin.
    """

    width: int
    arrays: tuple[WasmArray, ...]
    reserved: int

    def address_of(self, name: str) -> int:
        """Return where the memory holds a size, or the address of an array."""
        names = [*SIZES, *(each.name for each in self.arrays)]
        return 4 * names.index(name)

    def __getitem__(self, name: str) -> WasmArray:
        return next(each for each in self.arrays if each.name == name)

    def __contains__(self, name: str) -> bool:
        return any(each.name == name for each in self.arrays)

    def place(self, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
        """Return an address for each array, and the end of the last one.

        :param sizes: how many rows there are of each kind.
        """
        end, found = self.reserved, dict[str, int]()
        for each in self.arrays:
            found[each.name] = end
            end += (each.count_bytes(sizes) + 15) // 16 * 16
        return found, end


@dataclass(frozen=True)
class DialRange:
    """The values that a page offers for a hyperparameter.

    :param is_logarithmic: whether they are spaced by ratio.
    """

    low: float
    high: float
    is_logarithmic: bool = False


@dataclass(frozen=True)
class Dial:
    """A hyperparameter that is an input of a module.

    :param value: in the scenario.
    :param range: to offer; None if nothing says which.
    """

    name: str
    value: float
    range: DialRange | None = None


@dataclass(frozen=True)
class LiveModule:
    """A WebAssembly module that makes the steps of a descent.

    Its functions: `uniform(step0, step1)` computes what all runs share at these steps, from `dials`, `factors` and
    `counts`. `begin(tile0, tile1)` computes the state before step 0 from `starts` and `varying`; it returns for how
    many tiles Python's decisions hold. `descend(tile0, tile1, step0, step1)` makes steps and returns how many tiles
    have runs that go on. `conclude(tile0, tile1)` computes `final` and `last`. `evaluate(tile0, tile1)` computes the
    loss over all data at `points`; `predict(tile0, tile1)`, where there is one, the outputs of one `model` for many
    `inputs`. Losses and gradient norms after the end of a run are not written, or are NaN. The arrays `norms` and
    `path` are not written at all if their address is 0.

    :param code: the bytes of the module.
    :param dtype: of the runs, `float32` or `float64`.
    :param layout: of its memory.
    :param dials: hyperparameters that all runs share, in the order of the array `dials`.
    :param varying: hyperparameters of each run, in the order of the array `varying`.
    :param parameters: the shape of each parameter by name, in the order in which `starts` has their entries.
    :param steps: the most steps that a run makes.
    :param factors: of the schedule on the learning rate, for each step.
    :param phases: which part of the program each step uses.
    :param counts: rows of the array `counts`, for each step.
    :param data: the shape of each data tensor; empty if the data are constants of the program, or if there are none.
    :param batch: samples in a mini-batch; 0 if there are none.
    :param ends: the ways in which a run ends, by `status`.
    :param left_out: the place in `final` of a number that is not 0 if a run went a way that was not recorded.
    :param operations: of a step.
    :param statuses: the status of a run for each of `ends`.
    :param records: what the array `numbers` holds of each run, in its order.
    :param outputs: numbers that the model predicts for a sample; 0 if the module has no `predict`.
    :param fixed_data: why the data are constants; empty if they are not.
    :param apart: whether the module loops over samples, so that their number and the size of a batch are inputs. A tile
        is one run then, and vectors of `inputs` and `outputs` have as many points as these arrays have lanes.
    :param observed: the places in the array `observed` of what is wanted of one step, which `observe(0, 1, step)`
        computes from the state before it. The first is of a number that is not 0 if the step goes a way that was not
        recorded. Empty if nothing is wanted.
    """

    code: bytes
    dtype: str
    layout: Layout
    dials: tuple[Dial, ...]
    varying: tuple[Dial, ...]
    parameters: Mapping[str, tuple[int, ...]]
    steps: int
    factors: tuple[float, ...]
    phases: tuple[int, ...]
    counts: tuple[tuple[float, ...], ...]
    data: tuple[tuple[int, ...], ...]
    batch: int
    ends: tuple[str, ...]
    left_out: int | None
    operations: int
    statuses: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    outputs: int = 0
    fixed_data: str = ""
    apart: bool = False
    observed: tuple[int, ...] = ()


@dataclass(frozen=True)
class NoModule:
    """Why a descent is no module.

    :param reason: a sentence without its full stop.
    :param is_final: whether it is certain that fewer steps make no difference.
    """

    reason: str
    is_final: bool = field(default=False, compare=False)


def count_index_bytes(samples: int) -> int:
    """Return the bytes of an index into so many samples: 1, 2 or 4."""
    return 1 if samples <= 2**8 else 2 if samples <= 2**16 else 4


@dataclass(frozen=True)
class LiveTensor:
    """A tensor of the data.

    :param values: its entries, the last axis fastest.
    """

    name: str
    shape: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class ExpectedCondition:
    """A condition on a measured quantity, as data.

    :param word: `below`, `above`, `at_least`, `at_most`, `near`, `equals` or `rounded`.
    :param wanted: a number, a text, or nested lists of numbers.
    :param within: how far an entry may be from `near`; for `equals`, relative to the wanted number.
    """

    word: str
    wanted: Any
    within: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Live:
    """A descent that a page can run itself.

    :param programs: by the name of the optimizer; the scenario's own is the first, the others solve the same problem.
    :param steps: the scenario's budget.
    :param most: the most steps that the programs make.
    :param factors: of the schedule, for each of `most` steps; None without a schedule.
    :param seed: of the scenario.
    :param seeds: whose runs a page can repeat, rising.
    :param starts: the initial parameters for each seed: a row of entries.
    :param data: the tensors of the data; empty if there are none.
    :param orders: for each seed and step the samples of its mini-batch, one after another; empty without mini-batches.
        The last batch of an epoch may be smaller; zeros fill it up.
    :param conditions: what the scenario expects, by quantity and key: `("loss", "below")`. A page judges what it
        measures as Python does in the scenario's own run.
    :param scenario: as plain data, with all changes.
    """

    programs: Mapping[str, LiveModule]
    steps: int
    most: int
    factors: tuple[float, ...] | None
    seed: int
    seeds: tuple[int, ...]
    starts: tuple[tuple[float, ...], ...]
    data: tuple[LiveTensor, ...]
    orders: tuple[int, ...]
    conditions: Mapping[tuple[str, str], ExpectedCondition]
    scenario: Mapping[str, Any]
