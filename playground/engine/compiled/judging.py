"""When a run ends, in the kernel: the conditions of `stopping.py`, on a vector of losses.

Most steps compare the losses with a limit and go on. What else there is to do has blocks of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from playground.engine.compiled import vectormath
from playground.engine.compiled.code import Value
from playground.engine.compiled.tile import ENDS, Tile
from playground.engine.stopping import StopRules


@dataclass(frozen=True)
class Judge:
    """Writes what decides about the runs of a tile at a step.

    :param rules: when a run ends early.
    :param step: the step's number, i64.
    :param carried: what the tile carries of its runs from step to step, as it was before.
    :param going: which runs go on.
    """

    tile: Tile
    rules: StopRules
    step: Value
    carried: Mapping[str, Value]
    going: Value

    def looked_at(self, loss: Value) -> dict[str, Value]:
        """Return what is carried, after a look at the losses."""
        best = self.carried["best"]
        after = {"limit": self._limit(loss), "best": loss.compared("olt", best).chosen(loss, best), "before": loss}
        if self.rules.patience is not None:
            after["improved"], after["improved_step"] = self._improvement(loss)
        return after

    def settled(self, loss: Value, norm: Value, after: Mapping[str, Value], parameters: Sequence[Value]) -> Value:
        """Take down the runs that end before this update, with their parameters, and return which go on."""
        tile, lanes = self.tile, self.tile.lanes
        met = loss.compared("ugt", after["limit"]) | loss.compared("ule", -math.inf)
        for _, holds in self._conditions(loss, norm, after)[2:]:
            met = met | holds
        ended = met & self.going

        def rare() -> list[Value]:
            how = tile.code.constant(0, lanes.of("i32"))
            for name, holds in reversed(self._conditions(loss, norm, after)):
                how = holds.chosen(tile.code.constant(ENDS.index(name), lanes.of("i32")), how)
            best = loss.compared("ogt", -math.inf).chosen(after["best"], self.carried["best"])
            taken = {**after, "best": best, "end": how, "steps": self._now(), "end_loss": loss}
            for name, value in {**taken, "loss_before_end": self.carried["before"]}.items():
                tile.take(value, name, ended)
            for i, parameter in enumerate(parameters):
                old = tile.get("final", len(parameters), i)
                tile.put(ended.chosen(parameter, old), "final", len(parameters), i)
            return [self.going & ~ended]

        return tile.seldom(tile.any(ended), "settle", [self.going], rare)[0]

    def _now(self) -> Value:
        return self.tile.code.everywhere(self.step.converted("trunc", "i32"))

    def _limit(self, loss: Value) -> Value:
        """Return the limit beyond which a run has diverged, set at step 0 by its loss there.

        A loss is above the limit exactly where it is above the next number below it in the run's precision.
        """
        tile, lanes = self.tile, self.tile.lanes
        wide, largest = lanes.of("double"), float(np.finfo(np.float32 if lanes.number == "float" else np.float64).max)

        def rare() -> list[Value]:
            tile.take(loss, "first")
            size = tile.code.intrinsic("fabs", loss)
            size = size.compared("ogt", 1.0).chosen(size, 1.0)
            if lanes.number == "double":
                return [vectormath.limited(size * self.rules.divergence, 0.0, largest)]
            exact = size.converted("fpext", wide) * self.rules.divergence
            rounded = exact.converted("fptrunc", lanes.numbers)
            above = rounded.converted("fpext", wide).compared("ogt", exact)
            bits = rounded.converted("bitcast", lanes.whole) - above.converted("zext", lanes.whole)
            return [vectormath.limited(bits.converted("bitcast", lanes.numbers), 0.0, largest)]

        return tile.seldom(self.step.compared("eq", 0), "begin", [self.carried["limit"]], rare)[0]

    def _improvement(self, loss: Value) -> tuple[Value, Value]:
        """Return the best loss that counts, and its step."""
        wide = self.tile.lanes.of("double")
        mine, best = loss, self.carried["improved"]
        if self.tile.lanes.number == "float":
            mine, best = mine.converted("fpext", wide), best.converted("fpext", wide)
        better = mine.compared("olt", best - self.rules.improvement)
        step = better.chosen(self._now(), self.carried["improved_step"])
        return better.chosen(loss, self.carried["improved"]), step

    def _conditions(self, loss: Value, norm: Value, after: Mapping[str, Value]) -> list[tuple[str, Value]]:
        """Return how a run may end, in the order in which the conditions are asked."""
        rules = self.rules
        infinite = self.tile.code.intrinsic("fabs", loss).compared("oeq", math.inf)
        found = [
            ("nonfinite", loss.compared("uno", loss) | infinite),
            ("diverged", loss.compared("ogt", after["limit"])),
        ]
        if rules.loss is not None:
            found.append(("loss", loss.compared("ole", self._below(rules.loss))))
        if rules.gradient is not None:
            found.append(("gradient", norm.compared("ole", self._below(rules.gradient))))
        if rules.patience is not None:
            found.append(("stalled", (self._now() - after["improved_step"]).compared("sge", rules.patience)))
        return found

    def _below(self, threshold: float) -> float:
        """Return the largest number of the run's precision that is at most a threshold."""
        if self.tile.lanes.number == "double":
            return threshold
        with np.errstate(over="ignore"):
            rounded = np.float32(threshold)
        return float(np.nextafter(rounded, np.float32(-np.inf)) if rounded > threshold else rounded)
