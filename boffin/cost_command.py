"""`boffin cost` on the command line. Imports what it needs inside itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from boffin.options import HERE, Assignments, Folder


def cost(
    folder: Folder = HERE,
    assignments: Assignments = None,
    queries: Annotated[str, typer.Option("--queries", help="Queries a month.", metavar="N")] = "",
    against: Annotated[
        str, typer.Option("--against", help="The hosted model to compare with, by its name in the prices.")
    ] = "",
    prompt_tokens: Annotated[str, typer.Option("--prompt-tokens", help="Tokens of a query.", metavar="N")] = "",
    answer_tokens: Annotated[str, typer.Option("--answer-tokens", help="Tokens of an answer.", metavar="N")] = "",
    requests: Annotated[
        str, typer.Option("--requests-a-minute", help="What one card answers at full load.", metavar="N")
    ] = "",
    speed: Annotated[
        str, typer.Option("--tokens-a-second", help="The same in answer tokens, all requests together.", metavar="N")
    ] = "",
    benchmark: Annotated[
        str, typer.Option("--benchmark", help="The same from a benchmark's results.", metavar="FILE")
    ] = "",
    card: Annotated[str, typer.Option("--card", help="What serves, by its name in the prices.")] = "",
    rent: Annotated[str, typer.Option("--rent", help="Or its rent, in dollars an hour.", metavar="USD")] = "",
    purchase: Annotated[str, typer.Option("--purchase", help="Or its price, where it is bought.", metavar="USD")] = "",
    hours: Annotated[str, typer.Option("--curation-hours", help="People's hours beforehand.", metavar="N")] = "",
    idle: Annotated[
        str, typer.Option("--idle-share", help="Share of the hours in which nobody asks.", metavar="SHARE")
    ] = "",
    cached: Annotated[
        str, typer.Option("--cache-share", help="Share of the queries that the cache answers.", metavar="SHARE")
    ] = "",
    prices: Annotated[str, typer.Option("--prices", help="Your own prices, before the shipped.", metavar="FILE")] = "",
    scenario: Annotated[
        str, typer.Option("--scenario", help="Tables checked instead: `article`, or a file.", metavar="NAME")
    ] = "",
    live: Annotated[
        str, typer.Option("--live", help="What a running appliance has served instead, and its worth.", metavar="URL")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: every figure with its formula.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the picture here, too.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write one page of all of it.", metavar="FILE")] = None,
) -> None:
    """Reckon what the expert costs against a hosted model, and when not to make one."""
    given = {
        "queries_a_month": queries,
        "against": _quoted(against),
        "prompt_tokens": prompt_tokens,
        "answer_tokens": answer_tokens,
        "requests_a_minute": requests,
        "tokens_a_second": speed,
        "benchmark": _file(benchmark),
        "card": _quoted(card),
        "rent_usd_an_hour": rent,
        "purchase_usd": purchase,
        "curation_hours": hours,
        "idle_share": idle,
        "cache_hit_share": cached,
        "prices": _file(prices),
    }
    flags = [f"evaluation.cost.{key}={value}" for key, value in given.items() if value]
    from boffin.cost import Outputs, show_cost, show_live, show_scenario

    settings = [*(assignments or []), *flags]
    if live:
        if scenario or svg or html or any(_key(one) != "evaluation.cost.prices" for one in settings):
            raise typer.BadParameter("of the other options only -C, --prices and --json go with a running appliance")
        show_live(live, folder, settings, as_json)
        return
    if scenario:
        if settings or svg or html or folder != HERE:
            raise typer.BadParameter("a scenario has its own inputs and no picture; leave the other options out")
        show_scenario(scenario, as_json)
        return
    show_cost(folder, settings, Outputs(as_json, svg, html))


def _key(assignment: str) -> str:
    return assignment.partition("=")[0].strip()


def _quoted(name: str) -> str:
    """A name as TOML text: one that reads as a number is a name all the same."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f") if name else ""


def _file(name: str) -> str:
    """A file that is named on the command line lies where the user is, not beside boffin.toml."""
    from boffin.cost import expanded

    return _quoted(str(expanded(name).absolute())) if name else ""
