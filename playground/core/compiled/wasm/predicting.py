"""The function of a module that computes what a model predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playground.core.compiled.body import Emitter
from playground.core.compiled.carried import SlotKey
from playground.core.compiled.program import DATUM, SLOT
from playground.core.compiled.scalar_operations import Dependence
from playground.core.compiled.wasm.module_program import ModuleProgram, PredictionProgram
from playground.core.compiled.wasm.tiles import TileFunction
from playground.core.compiled.wasm.vector import WasmVector


def write_predict(module: ModuleProgram, prediction: PredictionProgram, parameters: Sequence[SlotKey]) -> None:
    """Write `predict(tile0, tile1)`: the outputs of one `model` for many `inputs`, to `outputs`.

    :param parameters: the entries of all parameters, in their order.
    """
    program = prediction.program
    tile = TileFunction.over_tiles(module)
    size = tile.code.lanes.bytes_each
    inputs: dict[Any, Callable[[], WasmVector]] = {
        (DATUM, 0, 0, place): partial(tile.get, "inputs", place) for place in range(prediction.places)
    }
    for i, key in enumerate(parameters):
        inputs[SLOT, *key] = partial(tile.code.load_everywhere, tile.size("model"), i * size)

    def body() -> None:
        emitter = Emitter(tile.code, program, inputs, {}, [Dependence.RUN] * len(program.nodes))
        emitter.emit(program.needed(prediction.values))
        for place, index in enumerate(prediction.values):
            tile.put(emitter.value(index), "outputs", place)

    tile.repeat(body)
    tile.function.finish(name="predict")
