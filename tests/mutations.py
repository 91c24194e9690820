"""How good are the tests of the pure parts? Change the code, one small thing at a time, and see who notices.

    python tests/mutations.py                     every mutant of every source (about ten minutes)
    python tests/mutations.py ivr/flow.py         of one source
    python tests/mutations.py --sample 60         some of them, drawn by the --seed that is printed
    python tests/mutations.py --matching :92      those whose description contains this; may be repeated
    python tests/mutations.py --list              only say what would be changed

or `make mutants`. The tests of a source run on a copy of the tree in which that source has one change;
they stop at the first failure. A mutant that no test notices has survived: either a test is missing, or
the change makes no difference. docs/mutations.md says which of the two, for each that is left.

Run by hand, never collected by pytest. Standard library only; needs the test environment's python.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import multiprocessing
import os
import queue
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Each source, and the fast tests that ought to notice.
SOURCES = {
    "ivr/flow.py": ["tests/test_flow.py"],
    "ivr/hours.py": ["tests/test_hours.py"],
    "ivr/outgoing_flow.py": ["tests/test_outgoing_flow.py"],
    "oncall/rota/rota.py": ["tests/test_rota.py", "tests/test_wallclock.py"],
    "oncall/rota/rota_rules.py": ["tests/test_rota.py", "tests/test_wallclock.py"],
    "oncall/rota/layers.py": ["tests/test_rota.py"],
}
COPIED = ["ivr", "oncall", "pins", "storage", "console", "webhooks", "tests", "pyproject.toml"]
COPIED += ["config.example.toml"]
# What takes long to read and is never changed: read once, in the process that each run is forked from.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "hypothesis", "hypothesis.strategies", "pydantic", "sqlalchemy"])
# A change may make a loop endless; that counts as noticed.
TIME_LIMIT = 60


@dataclass(frozen=True)
class Mutant:
    """`text` is the whole source with one change, which `change` describes."""

    source: str
    line: int
    change: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}  {self.change}"


# -- what is changed -----------------------------------------------------------------------------------

SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPPOSITE: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}


def said(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else text[:67] + "…"


def without(items: list, place: int) -> list:
    return items[:place] + items[place + 1 :]


def negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """What may be changed at this node: in words, and as an act upon the node."""

    def put(field: str, value: object) -> Callable[[ast.AST], None]:
        return lambda here: setattr(here, field, value)

    match node:
        case ast.Match(cases=cases):
            for place, case in enumerate(cases):
                guard = f" if {said(case.guard)}" if case.guard else ""
                yield f"no case {said(case.pattern)}{guard}", put("cases", without(cases, place))
        case ast.match_case(guard=ast.expr() as guard):
            yield f"no guard {said(guard)}", put("guard", None)
            yield f"guard not {said(guard)}", put("guard", negated(guard))
        case ast.MatchOr(patterns=patterns):
            for place, pattern in enumerate(patterns):
                yield f"no | {said(pattern)}", put("patterns", without(patterns, place))
        case ast.MatchClass(kwd_attrs=names, kwd_patterns=patterns) if names:
            for place, name in enumerate(names):
                if not isinstance(patterns[place], ast.MatchAs):

                    def drop(here: ast.AST, place: int = place) -> None:
                        here.kwd_attrs = without(here.kwd_attrs, place)  # type: ignore[attr-defined]
                        here.kwd_patterns = without(here.kwd_patterns, place)  # type: ignore[attr-defined]

                    yield f"no {name}= in case {said(node)}", drop
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield f"not: {said(test)}", put("test", negated(test))
        case ast.BoolOp(values=values, op=op):
            yield (
                f"and/or swapped: {said(node)}",
                put("op", ast.Or() if isinstance(op, ast.And) else ast.And()),
            )
            for place, value in enumerate(values):
                yield f"without {said(value)} in {said(node)}", put("values", without(values, place))
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                new = [*ops[:place], SWAPPED[type(op)](), *ops[place + 1 :]]
                yield f"{type(op).__name__} → {type(new[place]).__name__}: {said(node)}", put("ops", new)
        case ast.BinOp(op=op) if type(op) in OPPOSITE and not isinstance(
            node.left, ast.Constant | ast.JoinedStr
        ):
            yield (
                f"{type(op).__name__} → {OPPOSITE[type(op)].__name__}: {said(node)}",
                put("op", OPPOSITE[type(op)]()),
            )
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield (
                f"no sign or not: {said(node)}",
                lambda here: (
                    setattr(here, "op", ast.UAdd())
                    if isinstance(
                        here.op,
                        ast.USub,  # type: ignore[attr-defined]
                    )
                    else setattr(here, "operand", negated(operand))
                ),
            )
        case ast.Constant(value=bool(value)):
            yield f"{value} → {not value}", put("value", not value)
        case ast.Constant(value=int(value)):
            yield f"{value} → {value + 1}", put("value", value + 1)
            yield f"{value} → {value - 1}", put("value", value - 1)
        case ast.Tuple(elts=[_, *_] as elements, ctx=ast.Load()) if not has_slice(elements):
            for place, element in enumerate(elements):
                yield f"without {said(element)} in {said(node)}", put("elts", without(elements, place))
        case ast.Call(func=ast.Name(id="replace"), keywords=keywords):
            for place, each in enumerate(keywords):
                yield f"{each.arg} stays in {said(node)}", put("keywords", without(keywords, place))
        case ast.Call(func=ast.Name(id=name), args=args) if name not in ("replace", "isinstance", "line"):
            for place, arg in enumerate(args):
                if is_line(arg):
                    yield f"without {said(arg)} in {said(node)}", put("args", without(args, place))
            for place, each in enumerate(node.keywords):
                if each.arg in ("timeout", "effects", "key", "start"):
                    yield (
                        f"without {each.arg}= in {said(node)}",
                        put("keywords", without(node.keywords, place)),
                    )
        case ast.FunctionDef(body=body):
            for place, statement in enumerate(body):
                if isinstance(statement, ast.Assign) and rebinds(statement, node):
                    yield f"without `{said(statement)}`", put("body", without(body, place))
        case ast.Break() | ast.Continue():
            pass
        case ast.For(body=body) | ast.With(body=body) if len(body) > 1:
            for place, statement in enumerate(body):
                if isinstance(statement, ast.If):
                    yield f"without `{said(statement)}`", put("body", without(body, place))


def is_line(arg: ast.expr) -> bool:
    inner = arg.value if isinstance(arg, ast.Starred) else arg
    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
        return inner.func.id in ("line", "greeting")
    return isinstance(arg, ast.Starred)


def has_slice(elements: list[ast.expr]) -> bool:
    return any(isinstance(each, ast.Slice) for each in elements)


def rebinds(statement: ast.Assign, function: ast.FunctionDef) -> bool:
    """Whether it gives a parameter a new value: without it, the function still runs."""
    names = {arg.arg for arg in function.args.args}
    return all(isinstance(target, ast.Name) and target.id in names for target in statement.targets)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those of annotations, docstrings, imports, decorators and assertions."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not is_docstring(child):
                if isinstance(child, ast.Assert | ast.Import | ast.ImportFrom | ast.Raise):
                    continue
                # Types given names are annotations too.
                if isinstance(child, ast.Assign) and isinstance(child.value, ast.Subscript):
                    continue
                yield from walk(child)


def mutants_of(source: str) -> list[Mutant]:
    tree = ast.parse((ROOT / source).read_text())
    found: dict[str, Mutant] = {}
    line = 0
    for node in list(walk(tree)):
        line = getattr(node, "lineno", line)
        for words, change in list(changes(node)):
            before = dict(vars(node))
            change(node)
            text = ast.unparse(ast.fix_missing_locations(tree))
            vars(node).update(before)
            at = getattr(getattr(node, "pattern", node), "lineno", line)
            found.setdefault(text, Mutant(source, at, words, text))
    found.pop(ast.unparse(tree), None)
    return list(found.values())


# -- who notices ---------------------------------------------------------------------------------------


def copied_tree(to: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, to / name)
    return to


def be_the_tests(tree: Path, tests: list[str], write_compiled: bool) -> None:
    """In a process of its own: run them in this copy; how it ended is the process's exit code."""
    import pytest

    os.chdir(tree)
    sys.path.insert(0, str(tree))
    # Compiled files are kept once; after that the changed source is read anew each time.
    sys.dont_write_bytecode = not write_compiled
    with Path("said.txt").open("w") as said_here, contextlib.redirect_stdout(said_here):
        command = ["-o", "addopts=", "-x", "-q", "--no-header", "--tb=line", "--noconftest"]
        command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
        command += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = pytest.main([*command, *tests])
    sys.exit(int(code))


def run_tests(tree: Path, source: str, *, write_compiled: bool = False) -> bool:
    """Whether the tests of the source pass in this copy."""
    process = PROCESSES.Process(target=be_the_tests, args=(tree, SOURCES[source], write_compiled))
    process.start()
    process.join(TIME_LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
        return False
    # 0: all passed, 1: some failed, 2: they could not even be read, which counts as noticed.
    if process.exitcode not in (0, 1, 2):
        raise RuntimeError(f"pytest did not run: {process.exitcode}")
    return process.exitcode == 0


def survives(mutant: Mutant, trees: queue.Queue[Path]) -> bool:
    tree = trees.get()
    file = tree / mutant.source
    original = file.read_text()
    try:
        file.write_text(mutant.text)
        return run_tests(tree, mutant.source)
    finally:
        file.write_text(original)
        trees.put(tree)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help=", ".join(SOURCES))
    parser.add_argument("--sample", type=int, help="only so many mutants, drawn by the seed")
    parser.add_argument("--matching", action="append", help="only mutants described with this text")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="say what would be changed, run nothing")
    given = parser.parse_args()
    if unknown := set(given.sources) - set(SOURCES):
        parser.error(f"no source of mutants: {', '.join(sorted(unknown))}")
    wanted = given.sources or list(SOURCES)
    mutants = [mutant for source in wanted for mutant in mutants_of(source)]
    if given.matching:
        mutants = [each for each in mutants if any(text in str(each) for text in given.matching)]
    if given.sample is not None and given.sample < len(mutants):
        seed = given.seed if given.seed is not None else random.randrange(10**6)
        print(f"{given.sample} of {len(mutants)} mutants, --seed {seed}")
        mutants = random.Random(seed).sample(mutants, given.sample)
    if given.list:
        print(*mutants, sep="\n")
        return 0

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(given.at_once):
            tree = copied_tree(Path(place) / str(number))
            for source in wanted:
                if not run_tests(tree, source, write_compiled=True):
                    print(f"the tests of {source} fail as it is:\n{(tree / 'said.txt').read_text()}")
                    return 2
            for source in SOURCES:
                for compiled in (tree / source).parent.glob(f"__pycache__/{Path(source).stem}.*.pyc"):
                    compiled.unlink()
            trees.put(tree)
        with ThreadPoolExecutor(given.at_once) as pool:
            left = []
            for mutant, survived in zip(
                mutants, pool.map(lambda m: survives(m, trees), mutants), strict=True
            ):
                if survived:
                    print(mutant, flush=True)
                    left.append(mutant)
    for source in wanted:
        of_source = [mutant for mutant in mutants if mutant.source == source]
        survived = sum(mutant.source == source for mutant in left)
        print(f"{source}: {len(of_source)} mutants, {survived} survived")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
