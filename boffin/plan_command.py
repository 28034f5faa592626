"""`boffin plan` on the command line. Imports what it needs inside itself."""

from __future__ import annotations

from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Folder


def plan(
    users: Annotated[int, typer.Option("--users", help="How many people ask.", min=1, max=10_000_000)],
    questions: Annotated[
        float,
        typer.Option("--questions-per-day", help="Of one of them, on a working day.", min=0.01, max=10_000),
    ],
    folder: Folder = HERE,
    assignments: Assignments = None,
    hours: Annotated[float, typer.Option("--hours-a-day", help="In which they ask.", min=0.1, max=24)] = 8,
    peak: Annotated[
        float, typer.Option("--peak", help="How many times the mean comes in the busiest minutes.", min=1, max=1000)
    ] = 3,
    speed: Annotated[
        float, typer.Option("--tokens-a-second", help="What one machine answers, all requests together.", min=0)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Reckon the machines, the memory and the money that people's questions take."""
    from boffin.plan import Demand, show_plan

    flags = [f"evaluation.cost.tokens_a_second={speed}"] if speed else []
    show_plan(folder, [*(assignments or []), *flags], Demand(users, questions, hours, peak), as_json=as_json)
