"""The program that runs a check: what comes before, the answer's code, the assertions, in one namespace.

It runs inside the sandbox, where the answer's code may do to it whatever one module of a process can do to another.
The only sign of a pass is a nonce that is new in each run and is written after the last assertion, so that printing
and ending early say nothing. The nonce and the assertions are constants of the program's own code, in no variable and
no file, and what would find them there (the collector's lists, other threads' frames, the code behind this program's
frames) ends the run; so do audit hooks, and tracing by others than the check, which could jump over an assertion. What
the answer did to the builtins and to functions and classes of the modules that the check imports is undone before the
assertions run, and so is what it left for later: timers, the collector's callbacks, profilers, exit handlers.

What this can't stop: objects of the answer's own making run their own code when an assertion touches them, and could
tamper with the assertions' namespace through the stack, or call themselves equal to everything. Checks look at types
and numbers first. Knows nothing about sandboxes: it makes source text and reads standard output.
"""

from __future__ import annotations

import ast
import builtins
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from evaluation.suite.question import Check

SPIED = 86
"""Exit code of an answer that looked into the program that checks it."""
ANSWER, CHECK = "answer.py", "check.py"
"""The names under which tracebacks know the two."""
_PROGRAM = """\
def _run():
    import builtins, gc, importlib, json, linecache, os, signal, sys, threading, time, types, warnings

    del globals()["_run"]
    os.unlink("example.py")
    # The answer's code may put others in their places.
    write, read, leave, size, process, clock = os.write, os.pread, os._exit, os.fstat, os.getpid, time.monotonic
    translate, execute, dumps, module_type, set_in_class = compile, exec, json.dumps, types.ModuleType, type.__setattr__
    set_timer, set_profile, set_switching, later = signal.setitimer, sys.setprofile, sys.setswitchinterval, gc.callbacks
    loaded, spoken, system, stdout = sys.modules, builtins.__dict__, sys.__dict__, sys.stdout
    timers = signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF
    itself, outside = os.getpid(), os.dup(1)
    kept = os.open("output", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.unlink("output")
    os.dup2(kept, 1)
    armed, checking, caller, frame, own = True, False, sys._getframe, sys._getframe(), []
    while frame:
        own.append(frame)
        frame = frame.f_back
    own = tuple(own)

    def guard(event, arguments):
        if armed and event in (
            "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys.addaudithook", "sys._current_frames",
            "sys._current_exceptions",
        ):
            leave({spied})
        if armed and event == "sys.settrace" and not (checking and caller(1).f_code.co_filename == "{check_name}"):
            leave({spied})
        if armed and event == "object.__getattr__" and arguments[1] == "f_code":
            for one in own:
                if arguments[0] is one:
                    leave({spied})

    def tell(stage, error, name):
        nonlocal armed
        set_switching(0.005)
        armed, line, text, trace = False, 0, "", error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == name:
                line = trace.tb_lineno
            trace = trace.tb_next
        if isinstance(error, SyntaxError):
            line = error.lineno or 0
        try:
            text = str(error)[:500]
        except BaseException:
            pass
        write(outside, ("\\n" + dumps([stage, type(error).__name__[:100], text, line]) + "\\n").encode())

    main = module_type("__main__")
    names = main.__dict__
    loaded["__main__"] = main
    names.update(__builtins__=builtins, __file__="{answer_name}")
    linecache.cache["{answer_name}"] = (1, None, {answer!r}.splitlines(True), "{answer_name}")
    try:
        execute(translate({before!r}, "before.py", "exec", dont_inherit=True), names)
    except BaseException as error:
        tell("before", error, "before.py")
        raise

    # What the assertions rely on, as it is now.
    known, words = tuple(names.items()), tuple(spoken.items())
    modules, in_modules, in_classes = [], [], []
    for name in {modules!r}:
        try:
            module = importlib.import_module(name)
        except Exception:
            continue
        modules.append((name, module))
        for key, value in tuple(vars(module).items()):
            if callable(value) or isinstance(value, module_type):
                in_modules.append((vars(module), key, value))
            if isinstance(value, type) and value.__module__.partition(".")[0] == name.partition(".")[0]:
                in_classes += [
                    (value, vars(value), *item) for item in tuple(vars(value).items())
                    if callable(item[1]) or isinstance(item[1], (property, classmethod, staticmethod))
                ]
    modules, in_modules, in_classes = tuple(modules), tuple(in_modules), tuple(in_classes)

    if {strict}:
        warnings.filterwarnings("error", module="__main__$")
    sys.addaudithook(guard)
    del guard
    # The hook can't see what is to trace, and doctest puts nothing into the place of nothing.
    set_trace = system["settrace"]
    system["settrace"] = lambda function, do=set_trace: None if function is None else do(function)
    try:
        execute(translate({answer!r}, "{answer_name}", "exec", dont_inherit=True), names)
        deadline = clock() + 2
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(max(0, deadline - clock()))
    except SystemExit as error:
        if error.code not in (None, 0):
            tell("answer", error, "{answer_name}")
            raise
    except BaseException as error:
        tell("answer", error, "{answer_name}")
        raise
    if process() != itself:
        leave(0)

    # What it left for later.
    set_profile(None)
    for timer in timers:
        set_timer(timer, 0)
    later.clear()
    spoken.update(words)
    system.update(settrace=set_trace, stdout=stdout)
    try:
        stdout.flush()
    except ValueError:
        pass
    output = read(kept, size(kept).st_size, 0).decode("utf-8", "replace")
    left = tuple(names.items())  # held, so that nothing of it ends, and runs code at its end, before the assertions
    known = dict(known)
    results = [
        value for key, value in left
        if not key.startswith("__") and key not in {imported!r} and not isinstance(value, module_type)
        and (key not in known or known[key] is not value)
    ]
    for space, key, value in in_modules:
        if space.get(key) is not value:
            space[key] = value
    for owner, space, key, value in in_classes:
        if space.get(key) is not value:
            set_in_class(owner, key, value)
    for key in {spoken!r}:
        if key in names and names[key] is not known.get(key):
            del names[key]
    for key, value in known.items():
        if isinstance(value, module_type):
            names[key] = value
    set_switching(1000)  # from here on a thread that still runs gets its turn only while this one waits
    loaded.update(modules)
    spoken.update(words)
    names.update(__name__="__main__", __builtins__=dict(words), output=output, results=results)
    checking = True
    try:
        execute(translate({after!r}, "{check_name}", "exec", dont_inherit=True, optimize=0), names)
    except BaseException as error:
        tell("after", error, "{check_name}")
        leave(1)
    set_switching(0.005)
    write(outside, b"{nonce}")
    leave(0)

_run()
"""


@dataclass(frozen=True)
class Failure:
    """Where a run ended, as the program tells it; the answer's code could tell it, too."""

    stage: Literal["before", "answer", "after"]
    kind: str
    """The exception's name."""
    text: str
    line: int
    """The line of that part's code; 0 where it isn't known."""


def program(check: Check, code: str, nonce: str, *, strict: bool = False) -> str:
    """The source text that runs a check around an answer's code.

    Args:
        check: what comes before and after.
        code: the answer's code; hostile is fine.
        nonce: letters and digits that nobody can guess.
        strict: make an error of each warning that the answer's code causes.
    """
    return _PROGRAM.format(
        spied=SPIED,
        answer_name=ANSWER,
        check_name=CHECK,
        before=check.before,
        answer=code,
        after=check.after,
        nonce=nonce,
        strict=strict,
        modules=tuple(sorted(imported_modules(f"{check.before}\n\n{check.after}"))),
        imported=tuple(sorted(_imported_names(code))),
        spoken=tuple(sorted(_names(check.after) & set(vars(builtins)))),
    )


def failure(stdout: str) -> Failure | None:
    """What a program that didn't pass told; None where it told nothing."""
    for line in reversed(stdout.splitlines()):
        try:
            stage, kind, text, number = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue
        if stage in ("before", "answer", "after") and isinstance(number, int):
            return Failure(stage, str(kind)[:100], str(text)[:500], number)
    return None


def imported_modules(code: str) -> set[str]:
    """The modules that code names in its import statements."""
    found = set[str]()
    for node in _walk(code):
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def _imported_names(code: str) -> set[str]:
    """The names that import statements bind."""
    return {
        one.asname or one.name.partition(".")[0]
        for node in _walk(code)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
    }


def _names(code: str) -> set[str]:
    """The names that code uses."""
    return {node.id for node in _walk(code) if isinstance(node, ast.Name)}


def _walk(code: str) -> Iterable[ast.AST]:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.walk(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the run will say so
        return ()
