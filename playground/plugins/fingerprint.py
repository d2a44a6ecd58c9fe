"""A hash of an object in hand: of its code, and of every value that the code uses.

A function counts by its bytecode and constants, its defaults, the variables that it closes over and the globals that it
names, with their values; a class by all that it defines, and by its bases; any other object by its class and what
`pickle` would store of it. Whatever comes from an installed library counts by its name and the library's version. All
of this is followed from object to object, so an edit anywhere in what is used changes the hash, and an edit elsewhere
in the same file or notebook does not.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import hashlib
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from playground.plugins.sources import LIBRARY_PATHS, OWN_PACKAGE, SourceParts, version_of

_SCALARS: Final = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range)

_INDIRECT: Final = frozenset({"eval", "exec", "globals", "__import__"})
"""Built-in functions through which code may use any global."""

_GENERATED: Final = frozenset(
    [
        *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__parameters__"),
        *("__orig_bases__", "__abstractmethods__", "_abc_impl", "__firstlineno__", "__static_attributes__"),
        *("__annotate__", "__annotate_func__", "__annotations_cache__", "__classdictcell__"),
        *("__dataclass_fields__", "__dataclass_params__"),  # __init__ and the class's attributes have the defaults
        *("_backward_cls", "_autograd_function_id"),  # of a torch.autograd.Function; the id counts classes
    ]
)
"""What a class has besides what its author wrote."""


class CannotFingerprintError(Exception):
    """An object has no hash; the message says which part of it, and why."""


def fingerprint(value: Any) -> str:
    """Return a hash that is the same, also in another process, exactly while the object and all that it uses are.

    :raises CannotFingerprintError: the object uses something whose content cannot be read, such as an open file.
    """
    return _Walk().digest(value).hex()


class _Walk:
    """One walk over an object and all that it uses; visits each object once."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._open: dict[int, int] = {}  # objects whose parts are being visited: a cycle ends at one of them
        self._alive: list[Any] = []  # so that no id is used twice
        self._trail: list[str] = []  # the names that lead to the current object, for messages

    def digest(self, value: Any) -> bytes:
        """Return the hash of a value."""
        if type(value) in _SCALARS:
            return _hash("scalar", type(value).__name__, repr(value))
        if id(value) in self._known:
            return self._known[id(value)]
        if id(value) in self._open:
            return _hash("cycle", str(len(self._open) - self._open[id(value)]))
        self._open[id(value)] = len(self._open)
        self._alive.append(value)
        try:
            found = self._visit(value)
        except RecursionError:
            raise self._refuse("is nested too deeply") from None
        finally:
            del self._open[id(value)]
        self._known[id(value)] = found
        return found

    def _visit(self, value: Any) -> bytes:
        visit = next((method for kinds, method in _VISITORS if isinstance(value, kinds)), None)
        if visit is not None:
            return visit(self, value)
        if type(value) in (list, tuple):
            return _hash(type(value).__name__, *map(self.digest, value))
        if type(value) in (set, frozenset):
            return _hash(type(value).__name__, *sorted(map(self.digest, value)))
        if type(value) in (dict, types.MappingProxyType):
            return self._mapping(value)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(value)
        return self._instance(value)

    def _mapping(self, value: Mapping[Any, Any]) -> bytes:
        parts = []
        for key, each in value.items():
            with self._named(key if isinstance(key, str) else f"[{key!r}]"):
                parts += [self.digest(key), self.digest(each)]
        return _hash("mapping", *parts)

    def _tensor(self, tensor: Any) -> bytes:
        torch = sys.modules["torch"]
        try:
            data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy(force=True).tobytes()
        except Exception:  # on the meta device, sparse, or a subclass without storage
            raise self._refuse("is a tensor whose numbers cannot be read") from None
        form = (type(tensor).__name__, str(tensor.dtype), str(tuple(tensor.shape)), str(tensor.requires_grad))
        return _hash("tensor", *form, hashlib.sha256(data).digest())

    def _function(self, function: types.FunctionType) -> bytes:
        function = _unpatch(function)
        original = getattr(function, "_torchdynamo_orig_callable", None)  # torch.compile changes no result
        if original is not None:
            return self.digest(original)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        closure = [self._variable(name, partial(_read_cell, cell), function) for name, cell in cells]
        library = _library_of(function.__globals__.get("__name__"))
        if library:  # a decorator of a library closes over the user's function
            return _hash("library", library, function.__module__ or "", function.__qualname__, *closure)
        defaults = [self.digest(function.__defaults__), self.digest(function.__kwdefaults__)]
        marks = {key: each for key, each in vars(function).items() if key not in ("__wrapped__", "hooked")}
        code = function.__code__
        return _hash(
            "function",
            self._code(code, function.__doc__),
            *closure,
            *defaults,
            self._mapping(marks),
            *(self._global(name, function) for name in sorted(_global_names(code))),
            *(self._imported(name) for name in sorted(_imported_names(code))),
        )

    def _code(self, code: types.CodeType, doc: str | None = None) -> bytes:
        constants = [each for each in code.co_consts if doc is None or each is not doc]
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        table = getattr(code, "co_exceptiontable", b"")
        return _hash("code", code.co_code, table, repr(names), repr(counts), *map(self.digest, constants))

    def _global(self, name: str, function: types.FunctionType) -> bytes:
        if name not in function.__globals__:
            if name in _INDIRECT:
                raise self._refuse(f"uses {name}(), which may read anything")
            return _hash("builtin", name)
        return _hash("global", name, self._variable(name, partial(function.__globals__.get, name), function))

    def _variable(self, name: str, read: Callable[[], Any], function: types.FunctionType) -> bytes:
        """Return the hash of a variable that a function uses."""
        with self._named(name):
            try:
                value = read()
            except ValueError:  # a closed-over variable that has no value yet
                return _hash("empty")
            if isinstance(value, types.ModuleType):
                return self._module(value, _attribute_names(function.__code__))
            return self.digest(value)

    def _module(self, module: types.ModuleType, names: frozenset[str] = frozenset()) -> bytes:
        """Return the hash of what is used of a module.

        :param names: of the attributes that may be used; without any the module's whole source counts.
        """
        if library := _library_of(module.__name__):
            return _hash("library", library, module.__name__)
        used = [name for name in sorted(names) if name in vars(module)]
        if not used:
            return self._imported(module.__name__)
        parts = []
        for name in used:
            with self._named(name):
                value = vars(module)[name]
                inner = isinstance(value, types.ModuleType)
                parts.append(self._module(value, names - {name}) if inner else self.digest(value))
        return _hash("module", module.__name__, repr(used), *parts)

    def _imported(self, name: str) -> bytes:
        """Return the hash of the source of a module, with what that imports from the same folder."""
        if library := _library_of(name):
            return _hash("library", library, name)
        file = getattr(sys.modules.get(name), "__file__", None)
        if not file or not Path(file).is_file():
            raise self._refuse(f"uses the module {name!r}, whose source is unknown")
        parts = SourceParts(frozenset())
        parts.add_file(file, name)
        return _hash("module source", name, parts.digest())

    def _class(self, cls: type) -> bytes:
        module: Any = cls.__module__
        if not isinstance(module, str):  # a class of an extension, which has a descriptor of this name
            return _hash("extension", cls.__qualname__)
        if library := _library_of(module):
            return _hash("library", library, module, cls.__qualname__)
        parts = [self.digest(base) for base in cls.__bases__]
        parts.append(self.digest(type(cls)))
        for name, value in sorted(vars(cls).items()):
            value = _unpatch(value)
            if name in _GENERATED or _is_inherited(cls, name, value) or inspect.ismemberdescriptor(value):
                continue
            with self._named(name):
                parts += [_hash("attribute", name), self.digest(value)]
        return _hash("class", cls.__qualname__, *parts)

    def _method(self, method: types.MethodType) -> bytes:
        return _hash("method", self.digest(method.__func__), self.digest(method.__self__))

    def _builtin(self, function: Any) -> bytes:
        """Return the hash of a function written in C, with the object that it is a method of."""
        owner = getattr(function, "__self__", getattr(function, "__objclass__", None))
        of = _hash("module", owner.__name__) if isinstance(owner, types.ModuleType) else self.digest(owner)
        return _hash("builtin", str(getattr(function, "__module__", "")), function.__qualname__, of)

    def _descriptor(self, value: Any) -> bytes:
        names = ("fget", "fset", "fdel", "__func__", "func")
        parts = [self.digest(getattr(value, name)) for name in names if hasattr(value, name)]
        return _hash(type(value).__name__, *parts)

    def _instance(self, value: Any) -> bytes:
        """Return the hash of any other object: of its class and what `pickle` would store of it."""
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None and callable(value):  # a cache of functools
            return _hash("wrapper", self.digest(type(value)), self.digest(wrapped))
        reduce: Any = copyreg.dispatch_table.get(type(value), _reduce)
        try:
            reduced = reduce(value)
        except Exception:
            raise self._refuse(f"is {_article(type(value).__name__)}, whose content cannot be read") from None
        if isinstance(reduced, str):
            return _hash("name", self.digest(type(value)), reduced)
        parts = [list(each) if isinstance(each, Iterator) else each for each in reduced]
        self._alive.append(parts)
        return _hash("object", self.digest(type(value)), *map(self.digest, parts))

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        self._trail.append(name)
        yield
        self._trail.pop()

    def _refuse(self, what: str) -> CannotFingerprintError:
        trail = ".".join(self._trail)
        return CannotFingerprintError(f"{trail!r} {what}" if trail else f"it {what}")


_VISITORS: Final[tuple[tuple[tuple[type, ...], Callable[[_Walk, Any], bytes]], ...]] = (
    ((types.FunctionType,), _Walk._function),
    ((types.MethodType,), _Walk._method),
    ((types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType), _Walk._builtin),
    ((types.MethodWrapperType, types.ClassMethodDescriptorType, types.GetSetDescriptorType), _Walk._builtin),
    ((types.ModuleType,), _Walk._module),
    ((types.CodeType,), _Walk._code),
    ((type,), _Walk._class),
    ((property, classmethod, staticmethod, functools.cached_property), _Walk._descriptor),
)
"""How objects are visited that `pickle` would store by name only, or not at all."""


def _hash(kind: str, *parts: str | bytes) -> bytes:
    """Return the hash of a sequence of parts."""
    found = hashlib.sha256()
    for part in (kind, *parts):
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "big"))
        found.update(data)
    return found.digest()


@functools.lru_cache(maxsize=4096)
def _library_of(module: str | None) -> str:
    """Return the library and version that a module belongs to; empty if its own content counts."""
    top = (module or "").partition(".")[0]
    if top in ("", "__main__", "__mp_main__"):
        return ""
    if top == OWN_PACKAGE or top in sys.stdlib_module_names:
        return top
    file = getattr(sys.modules.get(top), "__file__", None) or getattr(sys.modules.get(module or ""), "__file__", None)
    if not file or not str(Path(file).resolve()).startswith(LIBRARY_PATHS):
        return ""
    version = version_of(top)
    return json.dumps([top, version]) if version else ""


def _unpatch(value: Any) -> Any:
    """Return a method of an optimizer without the profiler's wrapper, which torch adds when it makes the first one."""
    while getattr(value, "hooked", False) is True and hasattr(value, "__wrapped__"):
        value = value.__wrapped__
    return value


def _is_inherited(cls: type, name: str, value: Any) -> bool:
    """Tell whether a class has an attribute of its bases as its own, as torch's wrapper leaves it."""
    return isinstance(value, types.FunctionType) and any(
        _unpatch(vars(base).get(name)) is value for base in cls.__mro__[1:]
    )


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


@functools.lru_cache(maxsize=4096)
def _global_names(code: types.CodeType) -> frozenset[str]:
    """Return the names that code looks up among globals."""
    return frozenset(
        str(each.argval)
        for part in _codes(code)
        for each in dis.get_instructions(part)
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    )


def _imported_names(code: types.CodeType) -> set[str]:
    """Return the modules that code imports when it runs; those of a relative import by their last names."""
    instructions = (each for part in _codes(code) for each in dis.get_instructions(part))
    return {str(each.argval) for each in instructions if each.opname == "IMPORT_NAME" and each.argval}


def _attribute_names(code: types.CodeType) -> frozenset[str]:
    """Return all names in code, among which are those of the attributes that it reads."""
    return frozenset(name for part in _codes(code) for name in part.co_names)


def _reduce(value: Any) -> Any:
    return value.__reduce_ex__(4)


def _read_cell(cell: types.CellType) -> Any:
    """Return the value of a variable that a function closes over.

    :raises ValueError: it has none yet.
    """
    return cell.cell_contents


def _article(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
