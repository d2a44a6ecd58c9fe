"""Compiles the text of an LLVM module to functions in memory for this CPU.

LLVM compiles a text once: the machine code is kept on disk (`object_cache.py`), and later processes load it, without
even parsing the text.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.object_cache import ObjectCache, find_cache_folder, hash_parts

CODE_GENERATION_LEVEL: Final = 2
PIPELINE_LEVEL: Final = 1


@cache
def import_binding() -> Any:
    """Return llvmlite's binding; the import happens at the first compilation.

    :raises CannotCompileError: llvmlite is not installed or does not work here.
    """
    try:
        found = importlib.import_module("llvmlite.binding")
        found.initialize_native_target()
        found.initialize_native_asmprinter()
    except ImportError as error:
        raise CannotCompileError(f"llvmlite is not installed ({error})") from error
    except Exception as error:  # a broken installation may raise anything: OSError, RuntimeError, AttributeError
        raise CannotCompileError(f"llvmlite does not work here: {error}") from error
    return found


@cache
def vector_bits() -> int:
    """Return the width of the CPU's vectors."""
    features = import_binding().get_host_cpu_features()
    return 512 if features.get("avx512f") else 256 if features.get("avx2") else 128


def _features(bits: int) -> str:
    """Return the features of the CPU that code with vectors up to this width may use."""
    features = import_binding().get_host_cpu_features()
    if bits < 512:
        features.update({name: False for name in features if name.startswith("avx512")})
    if bits < 256:
        features.update(
            {name: False for name in features if name.startswith(("avx", "fma", "f16c", "vaes", "vpclmul"))}
        )
    return str(features.flatten()) + (",-prefer-256-bit" if bits == 512 else "")


def _machine(bits: int) -> Any:
    """Return a description of the CPU with vectors up to this width. The execution engine made with it owns it."""
    llvm = import_binding()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(bits), opt=CODE_GENERATION_LEVEL
    )


def _cache_key(text: str, bits: int) -> str:
    """Return a hash of everything that the machine code depends on."""
    llvm = import_binding()
    compiler = (importlib.import_module("llvmlite").__version__, llvm.llvm_version_info)
    machine = (llvm.get_process_triple(), llvm.get_host_cpu_name(), _features(bits), bits)
    return hash_parts(text, *(repr(part) for part in (compiler, machine, CODE_GENERATION_LEVEL, PIPELINE_LEVEL)))


def _generate_code(text: str, machine: Any) -> bytes:
    """Optimize a text and return its machine code, as an object file in memory."""
    llvm = import_binding()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=PIPELINE_LEVEL)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


@cache
def _library() -> ctypes.CDLL:
    """Return the C library's mathematical functions."""
    name = ctypes.util.find_library("ucrtbase" if sys.platform == "win32" else "m")
    return ctypes.CDLL(name)


def _register_symbols(names: Sequence[str]) -> None:
    """Register addresses of C library functions with LLVM, which aborts the process on an unresolved symbol.

    :raises CannotCompileError: a function does not exist.
    """
    try:
        for name in names:
            import_binding().add_symbol(name, ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value)
    except (AttributeError, OSError) as error:
        raise CannotCompileError(f"the C library has no {name}") from error


def _reason(error: RuntimeError) -> str:
    """Return LLVM's error message in one line: the text after `error:`, or the first line."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    return next((line.partition("error: ")[2] for line in lines if "error: " in line), lines[0])


class CompiledModule:
    """Compiled functions; valid as long as this object lives.

    :param text: in LLVM's language.
    :param bits: the width of the widest vectors allowed.
    :param library: the C library functions that the text calls.
    :raises CannotCompileError: LLVM rejects the text, or a C library function does not exist.
    """

    def __init__(self, text: str, bits: int, library: Sequence[str] = ()) -> None:
        llvm = import_binding()
        _register_symbols(library)
        machine = _machine(bits)
        cache, key = ObjectCache(find_cache_folder()), _cache_key(text, bits)
        code = cache.load(key)
        try:
            if code is None:
                code = _generate_code(text, machine)
                cache.store(key, code)
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            self._engine.finalize_object()
        except RuntimeError as error:
            raise CannotCompileError(f"LLVM: {_reason(error)}") from error

    def function(self, name: str, *types: Any, result: Any = None) -> Any:
        """Return a function. It releases the interpreter lock while it runs.

        :param types: of its arguments, from `ctypes`.
        """
        function = ctypes.CFUNCTYPE(result, *types)(self._engine.get_function_address(name))
        # Keeps the compiled code alive as long as the function.
        function.module = self  # type: ignore[attr-defined]
        return function
