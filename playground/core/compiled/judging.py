"""Ends runs in the kernel: the conditions of `stopping.py` for a vector of losses.

A run that ends must have the same status, step and parameters as in plain PyTorch, where `StopMonitor` looks at every
loss. On most steps no run ends, so the common path is a single comparison with a limit; all bookkeeping is in rarely
executed blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from playground.core.compiled import vectormath
from playground.core.compiled.code import VectorValue
from playground.core.compiled.tile import END_NAMES, Tile
from playground.core.stopping import StopRules


@dataclass(frozen=True)
class Judge:
    """Writes the code that decides which runs of a tile end at a step.

    :param rules: when a run ends early.
    :param step: the step's number, i64.
    :param carried: the values that the tile carries from step to step, before this step.
    :param going: a mask of the runs that have not ended.
    """

    tile: Tile
    rules: StopRules
    step: VectorValue
    carried: Mapping[str, VectorValue]
    going: VectorValue

    def update_carried(self, loss: VectorValue) -> dict[str, VectorValue]:
        """Return the carried values, updated by the losses of this step."""
        best = self.carried["best"]
        after = {"limit": self._limit(loss), "best": loss.compare("olt", best).select(loss, best), "before": loss}
        if self.rules.patience is not None:
            after["improved"], after["improved_step"] = self._improvement(loss)
        return after

    def settle_runs(
        self,
        loss: VectorValue,
        norm: VectorValue,
        after: Mapping[str, VectorValue],
        keep_final: Callable[[VectorValue], None],
    ) -> VectorValue:
        """Record the runs that end before this update; return the mask of runs that continue.

        :param keep_final: writes the parameters of the runs in a mask.
        """
        tile, lanes = self.tile, self.tile.lanes
        # One unordered comparison finds NaN, +infinity and losses above the limit; the second finds -infinity.
        met = loss.compare("ugt", after["limit"]) | loss.compare("ule", -math.inf)
        for _, holds in self._conditions(loss, norm, after)[2:]:
            met = met | holds
        ended = met & self.going

        # In rare(), the conditions are applied in reverse order, so that the first one that holds is written last.
        def rare() -> list[VectorValue]:
            how = tile.code.constant(0, lanes.of("i32"))
            for name, holds in reversed(self._conditions(loss, norm, after)):
                how = holds.select(tile.code.constant(END_NAMES.index(name), lanes.of("i32")), how)
            best = loss.compare("ogt", -math.inf).select(after["best"], self.carried["best"])
            taken = {**after, "best": best, "end": how, "steps": self._now(), "end_loss": loss}
            for name, value in {**taken, "loss_before_end": self.carried["before"]}.items():
                tile.take(value, name, ended)
            keep_final(ended)
            return [self.going & ~ended]

        return tile.seldom(tile.any(ended), "settle", [self.going], rare)[0]

    def _now(self) -> VectorValue:
        return self.tile.code.everywhere(self.step.convert("trunc", "i32"))

    def _limit(self, loss: VectorValue) -> VectorValue:
        """Return the limit above which a run has diverged; step 0 sets it from the loss there.

        PyTorch compares in double precision. To compare in the run's precision, the limit is rounded down: a loss is
        above a limit exactly if it is above the largest number of its precision that is not above the limit.
        """
        tile, lanes = self.tile, self.tile.lanes
        wide, largest = lanes.of("double"), float(np.finfo(np.float32 if lanes.number == "float" else np.float64).max)

        def rare() -> list[VectorValue]:
            tile.take(loss, "first")
            size = tile.code.intrinsic("fabs", loss)
            size = size.compare("ogt", 1.0).select(size, 1.0)
            if lanes.number == "double":
                return [vectormath.clamp(size * self.rules.divergence, 0.0, largest)]
            exact = size.convert("fpext", wide) * self.rules.divergence
            rounded = exact.convert("fptrunc", lanes.numbers)
            above = rounded.convert("fpext", wide).compare("ogt", exact)
            bits = rounded.convert("bitcast", lanes.whole) - above.convert("zext", lanes.whole)
            return [vectormath.clamp(bits.convert("bitcast", lanes.numbers), 0.0, largest)]

        return tile.seldom(self.step.compare("eq", 0), "begin", [self.carried["limit"]], rare)[0]

    def _improvement(self, loss: VectorValue) -> tuple[VectorValue, VectorValue]:
        """Return the best loss that counts as an improvement, and its step."""
        wide = self.tile.lanes.of("double")
        mine, best = loss, self.carried["improved"]
        if self.tile.lanes.number == "float":
            mine, best = mine.convert("fpext", wide), best.convert("fpext", wide)
        better = mine.compare("olt", best - self.rules.improvement)
        step = better.select(self._now(), self.carried["improved_step"])
        return better.select(loss, self.carried["improved"]), step

    def _conditions(
        self, loss: VectorValue, norm: VectorValue, after: Mapping[str, VectorValue]
    ) -> list[tuple[str, VectorValue]]:
        """Return the conditions under which a run ends, in the order in which they are checked."""
        rules = self.rules
        infinite = self.tile.code.intrinsic("fabs", loss).compare("oeq", math.inf)
        found = [
            ("nonfinite", loss.compare("uno", loss) | infinite),
            ("diverged", loss.compare("ogt", after["limit"])),
        ]
        if rules.loss is not None:
            found.append(("loss", loss.compare("ole", round_down(rules.loss, self.tile.lanes.number))))
        if rules.gradient is not None:
            found.append(("gradient", norm.compare("ole", round_down(rules.gradient, self.tile.lanes.number))))
        if rules.patience is not None:
            found.append(("stalled", (self._now() - after["improved_step"]).compare("sge", rules.patience)))
        return found


def round_down(threshold: float, number: str) -> float:
    """Return the largest number of a precision that does not exceed a threshold.

    :param number: `float` or `double`.
    """
    if number == "double":
        return threshold
    with np.errstate(over="ignore"):
        rounded = np.float32(threshold)
    return float(np.nextafter(rounded, np.float32(-np.inf)) if rounded > threshold else rounded)
