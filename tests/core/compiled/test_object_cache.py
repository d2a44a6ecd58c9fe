"""Compiled programs are kept on disk: what was compiled once is loaded, and nothing wrong with the folder matters."""

import ctypes
import errno
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from playground.core.compiled import CannotCompileError, jit, object_cache
from playground.core.compiled.object_cache import DIGEST_BYTES, ObjectCache, find_cache_folder

CUBE_ROOT = "declare double @cbrt(double)\ndefine double @f(double %x) {{\n{body}\nret double %y\n}}"
TEXT = CUBE_ROOT.format(body="%y = call double @cbrt(double %x)")
OTHER_TEXT = CUBE_ROOT.format(body="%z = call double @cbrt(double %x)\n%y = fadd double %z, 1.0")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of compiled programs, which does not exist yet."""
    monkeypatch.setenv("PLAYGROUND_CACHE_DIR", str(tmp_path))
    return tmp_path / "compiled"


@dataclass
class CompilerSpy:
    """Counts how often LLVM generates code, and evaluates compiled functions."""

    compiled: int = 0

    def evaluate(self, text=TEXT, bits=128):
        """Compile or load a text, and return f(1)."""
        function = jit.CompiledModule(text, bits, ["cbrt"]).function("f", ctypes.c_double, result=ctypes.c_double)
        return function(1.0)


@pytest.fixture
def spy(monkeypatch):
    spy, generate = CompilerSpy(), jit._generate_code

    def count(text, machine):
        spy.compiled += 1
        return generate(text, machine)

    monkeypatch.setattr(jit, "_generate_code", count)
    return spy


def test_a_text_is_compiled_once(folder, spy) -> None:
    assert [spy.evaluate(), spy.evaluate(), spy.evaluate(OTHER_TEXT), spy.evaluate()] == [1, 1, 2, 1]
    assert spy.compiled == 2
    assert len(list(folder.iterdir())) == 2


def test_a_rejected_text_is_not_kept(folder, spy) -> None:
    for _ in range(2):
        with pytest.raises(CannotCompileError, match="LLVM: "):
            spy.evaluate("define i64 @f() { ret void }")
    assert spy.compiled == 2
    assert not folder.exists()


def change_byte(entry: bytes, at: int) -> bytes:
    return entry[:at] + bytes([entry[at] ^ 1]) + entry[at + 1 :]


DAMAGES = {
    "empty": lambda entry: b"",
    "shorter than a checksum": lambda entry: entry[:10],
    "no code": lambda entry: entry[:DIGEST_BYTES],
    "truncated": lambda entry: entry[:-1],
    "longer": lambda entry: entry + b"\0",
    "another checksum": lambda entry: change_byte(entry, 0),
    "another first byte": lambda entry: change_byte(entry, DIGEST_BYTES),
    "another last byte": lambda entry: change_byte(entry, len(entry) - 1),
    "zeros": lambda entry: bytes(len(entry)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_compiled_again(damage, folder, spy) -> None:
    spy.evaluate()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert spy.evaluate() == 1
    assert spy.compiled == 2
    assert path.read_bytes() == whole


def test_an_entry_under_another_name_is_compiled_again(folder, spy) -> None:
    spy.evaluate()
    (path,) = folder.iterdir()
    spy.evaluate(OTHER_TEXT)
    (other,) = set(folder.iterdir()) - {path}
    other.write_bytes(path.read_bytes())
    assert spy.evaluate(OTHER_TEXT) == 2
    assert spy.compiled == 3


def refuse(number):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return fail


UNUSABLE = {
    "read-only": lambda patch, folder: patch.setattr(object_cache.tempfile, "mkstemp", refuse(errno.EROFS)),
    "no permission": lambda patch, folder: patch.setattr(Path, "mkdir", refuse(errno.EACCES)),
    "full": lambda patch, folder: patch.setattr(object_cache.os, "replace", refuse(errno.ENOSPC)),
    "a file": lambda patch, folder: folder.write_bytes(b""),
    "below a file": lambda patch, folder: patch.setenv("PLAYGROUND_CACHE_DIR", os.devnull),
    "off": lambda patch, folder: patch.setenv("PLAYGROUND_CACHE_DIR", ""),
}


@pytest.mark.parametrize("prepare", UNUSABLE.values(), ids=UNUSABLE)
def test_a_folder_that_cannot_be_used_is_no_error(prepare, folder, spy, monkeypatch) -> None:
    prepare(monkeypatch, folder)
    assert [spy.evaluate(), spy.evaluate()] == [1, 1]
    assert spy.compiled == 2
    assert not folder.is_dir() or list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_without_permission_to_write_is_read(folder, spy) -> None:
    spy.evaluate()
    folder.chmod(0o500)
    try:
        assert [spy.evaluate(), spy.evaluate(OTHER_TEXT)] == [1, 2]
    finally:
        folder.chmod(0o700)
    assert spy.compiled == 2
    assert len(list(folder.iterdir())) == 1


def test_the_key_depends_on_everything_that_the_code_depends_on(monkeypatch) -> None:
    llvm = jit.import_binding()
    keys = [jit._cache_key(TEXT, bits) for bits in (128, 256, 512)] + [jit._cache_key(OTHER_TEXT, 128)]
    for owner, name, value in (
        (llvm, "get_host_cpu_name", lambda: "another"),
        (llvm, "get_process_triple", lambda: "another"),
        (llvm, "llvm_version_info", (0, 0, 0)),
        (sys.modules["llvmlite"], "__version__", "0"),
        (jit, "_features", lambda bits: "+another"),
        (jit, "CODE_GENERATION_LEVEL", 3),
        (jit, "PIPELINE_LEVEL", 3),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            keys.append(jit._cache_key(TEXT, 128))
    assert len(set(keys)) == len(keys) == 11
    assert jit._cache_key(TEXT, 128) == keys[0]


def test_the_entries_used_least_recently_are_deleted(tmp_path) -> None:
    cache = ObjectCache(tmp_path, max_bytes=3 * (DIGEST_BYTES + 100))
    for age, key in enumerate(["c", "b", "a"]):
        cache.store(key, bytes(100))
        os.utime(tmp_path / key, (1000 - age, 1000 - age))
    abandoned = tmp_path / "x.temporary"  # of a process that was killed
    abandoned.write_bytes(bytes(100))
    os.utime(abandoned, (0, 0))
    assert cache.load("a") == bytes(100)
    cache.store("d", bytes(100))
    assert len(list(tmp_path.iterdir())) == 5
    cache.store("d0", bytes(100))
    assert {path.name for path in tmp_path.iterdir()} == {"a", "d", "d0"}


PLACES = [
    ("linux", {}, "{home}/.cache/playground/compiled"),
    ("linux", {"XDG_CACHE_HOME": "{home}/x"}, "{home}/x/playground/compiled"),
    ("linux", {"XDG_CACHE_HOME": ""}, "{home}/.cache/playground/compiled"),
    ("linux", {"XDG_CACHE_HOME": "relative"}, "{home}/.cache/playground/compiled"),
    ("darwin", {}, "{home}/Library/Caches/playground/compiled"),
    ("win32", {}, "{home}/AppData/Local/playground/compiled"),
    ("win32", {"LOCALAPPDATA": "{home}/x"}, "{home}/x/playground/compiled"),
    ("linux", {"PLAYGROUND_CACHE_DIR": "{home}/y", "XDG_CACHE_HOME": "{home}/x"}, "{home}/y/compiled"),
]


@pytest.mark.parametrize(("system", "variables", "place"), PLACES)
def test_the_folder_is_where_the_system_keeps_caches(system, variables, place, tmp_path, monkeypatch) -> None:
    for name in ("PLAYGROUND_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(object_cache.sys, "platform", system)
    assert find_cache_folder() == Path(place.format(home=tmp_path))


def test_without_a_home_there_is_no_cache(monkeypatch) -> None:
    monkeypatch.delenv("PLAYGROUND_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert find_cache_folder() is None


SWEEP = """
    import sys
    import torch
    from playground.builtin import losses, models
    from playground.builtin.optimizers import Adam
    from playground.core.compiled import CompiledReplicas, jit
    from playground.core.movers import RuleMover
    from playground.core.problem import Batches, Problem
    from playground.core.replicas import stack_parameters
    from playground.core.stopping import StopRules

    llvm, compiled = jit.import_binding(), []
    for name in ("parse_assembly", "create_pass_builder"):
        def count(*arguments, function=getattr(llvm, name)):
            compiled.extend(arguments[:1])
            return function(*arguments)
        setattr(llvm, name, count)
    torch.manual_seed(0)
    data = torch.rand(5, 2), torch.rand(5, 1)
    module = models.mlp(2, 1, hidden=(3,))
    problem = Problem(module, lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), Batches(data))
    start = stack_parameters([problem.parameters] * 2)
    print("ready", flush=True)
    sys.stdin.read()
    replicas = CompiledReplicas(problem, start, [0, 1], RuleMover(Adam(lr=torch.tensor([0.1, 0.2]))), 50, StopRules())
    print(sum(argument != "" for argument in compiled), replicas.conclude(replicas.arrays).tolist())
"""


@pytest.mark.slow
def test_processes_share_what_one_of_them_compiled(folder) -> None:
    """Two processes compile at the same time; a third one compiles nothing and has the same results."""
    command = [sys.executable, "-c", textwrap.dedent(SWEEP)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes[:2]:
        process.stdin.close()
        process.stdin = None
    outputs = [process.communicate()[0] for process in processes]
    calls, results = zip(*(output.split(" ", 1) for output in outputs), strict=True)
    assert calls[0] in "02"
    assert calls[2] == "0"
    assert len(set(results)) == 1
    assert len(list(folder.iterdir())) == 1
    for path in folder.iterdir():
        assert ObjectCache(folder).load(path.name)
