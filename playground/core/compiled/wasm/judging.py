"""Ends runs in a module: the conditions of `stopping.py` for a tile, as `compiled/judging.py` has them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from playground.core.compiled.judging import round_down
from playground.core.compiled.tile import END_NAMES
from playground.core.compiled.vectormath import clamp
from playground.core.compiled.wasm.function import Node
from playground.core.compiled.wasm.tiles import TileFunction
from playground.core.compiled.wasm.vector import INTEGER, TRUTH, WasmVector
from playground.core.stopping import StopRules


class WasmJudge:
    """Writes what decides which runs of a tile end at a step.

    :param tile: whose records are in memory.
    :param rules: when a run ends early.
    """

    def __init__(self, tile: TileFunction, rules: StopRules) -> None:
        self._tile = tile
        self._rules = rules
        names = ("limit", "before", *(("improved", "improved_step") if rules.patience is not None else ()))
        self._carried = {name: tile.function.variable(tile.get_record(name).registers[0]) for name in names}
        going = tile.get_record("status").compare("eq", 0)
        self._going = tile.function.variable(going.registers[0])

    @staticmethod
    def write_start(tile: TileFunction) -> None:
        """Write the records of runs before their first step."""
        for name, number in {"limit": math.inf, "before": math.nan, "improved": math.inf}.items():
            tile.put_record(tile.code.constant(number), name)
        for name in ("status", "steps", "improved_step"):
            tile.put_record(tile.code.whole(0), name)

    @property
    def going(self) -> WasmVector:
        """The runs that have not ended."""
        return self._tile.vector_of(self._going, TRUTH)

    def store(self) -> None:
        """Write what a tile carries to memory."""
        for name in self._carried:
            self._tile.put_record(self._value(name), name)

    def write(self, now: Node, loss: WasmVector, norm: WasmVector, keep_final: Callable[[WasmVector], None]) -> None:
        """Write the end of runs at a step, before its update.

        :param now: the step's number.
        :param loss: in a local, as is the gradient's norm.
        :param keep_final: writes what is kept where runs end, of the runs for which a truth holds.
        """
        tile, function = self._tile, self._tile.function
        function.when(tile.integer(0x45, now), lambda: self._set("limit", self._limit(loss)))
        step = tile.everywhere(now)
        if self._rules.patience is not None:
            self._note_improvement(loss, step)
        met = loss.compare("ugt", self._value("limit")) | loss.compare("ule", -math.inf)
        for _, holds in self._conditions(loss, norm, step)[2:]:
            met = met | holds
        ended = met & self.going
        tile.keep(ended)
        function.when(tile.code.any(ended), lambda: self._settle(ended, loss, norm, now, keep_final))
        self._set("before", loss)

    def _settle(
        self,
        ended: WasmVector,
        loss: WasmVector,
        norm: WasmVector,
        now: Node,
        keep_final: Callable[[WasmVector], None],
    ) -> None:
        tile, step = self._tile, self._tile.everywhere(now)
        how = tile.code.whole(0)
        for name, holds in reversed(self._conditions(loss, norm, step)):
            how = holds.select(tile.code.whole(END_NAMES.index(name)), how)
        values = {"status": how, "steps": step, "end_loss": loss, "before_end": self._value("before")}
        for name, value in values.items():
            tile.put_record(ended.select(value, tile.get_record(name)), name)
        keep_final(ended)
        tile.function.assign([self._going], (self.going & ~ended).registers)

    def _limit(self, loss: WasmVector) -> WasmVector:
        """Return the limit above which the run has diverged, rounded down to its precision."""
        code = self._tile.code
        largest = float(np.finfo(np.float32 if code.lanes.number == "float" else np.float64).max)
        size = code.intrinsic("fabs", loss)
        size = size.compare("ogt", 1.0).select(size, 1.0)
        if code.lanes.number == "double":
            return clamp(size * self._rules.divergence, 0.0, largest)
        exact = size.widen() * self._rules.divergence
        rounded = exact.narrow()
        above = code.adopt(rounded.widen().compare("ogt", exact))
        bits = rounded.bits()
        return clamp(above.select(bits - 1, bits).as_number(), 0.0, largest)

    def _note_improvement(self, loss: WasmVector, step: WasmVector) -> None:
        """Update the best loss that counts as an improvement, and its step."""
        code, best = self._tile.code, self._value("improved")
        if code.lanes.number == "float":
            better = code.adopt(loss.widen().compare("olt", best.widen() - self._rules.improvement))
        else:
            better = loss.compare("olt", best - self._rules.improvement)
        values = [better.select(loss, best), better.select(step, self._value("improved_step"))]
        variables = [self._carried["improved"], self._carried["improved_step"]]
        self._tile.function.assign(variables, [each.registers[0] for each in values])

    def _conditions(self, loss: WasmVector, norm: WasmVector, step: WasmVector) -> list[tuple[str, WasmVector]]:
        """Return the conditions under which a run ends, in the order in which they are checked."""
        rules, number = self._rules, self._tile.code.lanes.number
        infinite = self._tile.code.intrinsic("fabs", loss).compare("oeq", math.inf)
        found = [
            ("nonfinite", loss.compare("uno", loss) | infinite),
            ("diverged", loss.compare("ogt", self._value("limit"))),
        ]
        if rules.loss is not None:
            found.append(("loss", loss.compare("ole", round_down(rules.loss, number))))
        if rules.gradient is not None:
            found.append(("gradient", norm.compare("ole", round_down(rules.gradient, number))))
        if rules.patience is not None:
            found.append(("stalled", (step - self._value("improved_step")).compare("sge", rules.patience)))
        return found

    def _value(self, name: str) -> WasmVector:
        return self._tile.vector_of(self._carried[name], INTEGER if name == "improved_step" else "number")

    def _set(self, name: str, value: WasmVector) -> None:
        self._tile.function.assign([self._carried[name]], value.registers)
