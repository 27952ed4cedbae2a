"""Every op on some other processor, and some of all problems on each.

Which problem is solved where is drawn from a seed: `python -m tests.platforms.everything` solves
all of them everywhere.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from graphc.ir.op import Family
from graphc.ir.ops import OPS
from tests.platforms.calling import calls, failures, library_of
from tests.platforms.machines import MACHINES
from tests.platforms.problem import Problem
from tests.platforms.problems import all_problems, shared_problems

SEED = 7
MORE = 2
"""Problems of each machine besides its share of the ops."""

GROUPS = ("derivatives", "graph", "program", "model", "conversions")


def shares() -> dict[str, list[str]]:
    """The names of problems for each machine: together every op, at a dtype that is drawn."""
    rng = random.Random(SEED)
    names, machines = list(all_problems()), list(MACHINES)
    by_op: dict[str, list[str]] = {}
    others = []
    for name in names:
        if name.split("-")[0] in GROUPS:
            others.append(name)
        else:
            by_op.setdefault(name.split("-")[0], []).append(name)
    rng.shuffle(machines)
    found = {machine: rng.sample(others, MORE) for machine in machines}
    for number, alike in enumerate(by_op.values()):
        found[machines[number % len(machines)]].append(rng.choice(alike))
    return found


SHARES = shares()


def made(names: list[str]) -> list[Problem]:
    makers = all_problems()
    return [makers[name]() for name in names]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_share_of_all_problems(machine: str, tmp_path: Path) -> None:
    found = failures(made(SHARES[machine]), MACHINES[machine], tmp_path)
    assert not found, "\n".join(found)


def test_every_op_has_a_share() -> None:
    solved = {name.split("-")[0] for names in SHARES.values() for name in names}
    assert solved >= {
        op.name
        for op in OPS.values()
        if op.samples and op.family is not Family.SOURCE and not op.foreign
    }


@pytest.mark.parametrize("machine", ["aarch64", "riscv64"])
def test_threads_change_no_bit(machine: str, tmp_path: Path) -> None:
    problems = [problem.apart(f"p{i}.") for i, problem in enumerate(shared_problems())]
    results = []
    for threads in (1, 3):
        folder = tmp_path / str(threads)
        folder.mkdir()
        compiled = library_of(problems, MACHINES[machine], threads)
        plans = [entry.plans[0] for entry in compiled.entries.values()]
        assert {plan.threads for plan in plans} == {threads}
        made_calls = calls(compiled, problems, MACHINES[machine], folder)
        results.append(
            [
                [array.tobytes() for array in (*call.outputs, *call.params.values())]
                for call in made_calls
            ]
        )
        for call, problem in zip(made_calls, problems * 2, strict=True):
            updated = [call.params[update.param.name] for update in problem.graph.updates]
            problem.check([*call.outputs, *updated])
    assert results[0] == results[1]
