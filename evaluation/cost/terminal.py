"""An analysis or a scenario on the terminal. Knows nothing about how anything was reckoned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluation.cost.analysis import Analysis
from evaluation.cost.figure import Figure, dollars
from evaluation.cost.live import Live
from evaluation.cost.scenario import Checked, Scenario
from evaluation.cost.versus import Versus
from evaluation.escape import one_line

NARROWEST = 100
"""Columns that a pipe gets, at least; a terminal with fewer is shown fewer figures."""
_STYLES = {"exact": "green", "rounded": "yellow", "off": "bold red", "": ""}
_BAR = 12
"""Characters of the longest bar."""


def print_analysis(analysis: Analysis, console: Console | None = None) -> None:
    """Print the comparison, the reasons against, the formulas, the inputs and what they move."""
    console = _console(console)
    for part in _analysis(analysis, console.width >= NARROWEST):
        console.print(part)


def print_scenario(scenario: Scenario, console: Console | None = None) -> None:
    """Print a scenario's tables: what is said, what its inputs give, and how."""
    console = _console(console)
    for part in _scenario(scenario):
        console.print(part)


def print_live(live: Live, console: Console | None = None) -> None:
    """Print what an appliance has served, and what that would have cost elsewhere."""
    console = _console(console)
    served = live.served
    told = f"{served.queries:,} answers in {served.hours:,.1f} hours"
    if served.cached:
        told += f", {served.cached:,} of them from the cache"
    console.print(
        Text.assemble(
            (one_line(live.url), "bold"),
            f": {told}; {served.prompt_tokens:,} tokens of prompts, {served.answer_tokens:,} of answers",
        )
    )
    console.print(_heading("What hosted models would have charged for that"))
    console.print(_formulas(list(live.elsewhere.values())))


def _console(console: Console | None) -> Console:
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    return console


def _analysis(analysis: Analysis, wide: bool) -> Iterator[RenderableType]:
    own, main = analysis.main.own, analysis.main
    yield Text.assemble(
        (one_line(analysis.name), "bold"),
        f": {own.month.shown} a month, {own.query.shown} a query, {own.million_tokens.shown} a million tokens, "
        f"on {own.cards.shown} {'card' if own.cards.value == 1 else 'cards'} used to {own.used.shown}",
    )
    yield Text()
    yield _comparison(analysis, wide)
    yield Text(
        "A month's cost has everything written off; the break-even counts what is paid, from the first day.",
        style="dim",
    )
    yield _heading("Should you?")
    yield _reasons(analysis)
    yield _heading(f"How it comes about, against {main.hosted.name}")
    yield _formulas(analysis.formulas())
    yield _heading("What it starts from")
    yield _inputs(analysis)
    yield _heading("What it hangs on: each input halved and doubled, saved a month and days until break-even")
    yield _swings(analysis, wide)
    if analysis.small_swings:
        titles = ", ".join(swing.title for swing in analysis.small_swings)
        yield Text(f"Next to nothing: {titles}.", style="dim")


def _comparison(analysis: Analysis, wide: bool) -> Table:
    columns = {
        "": True,
        "a month": True,
        "a query": True,
        "a million\ntokens": wide,
        "saved\na month": True,
        "saved": wide,
        "break-even\nqueries": wide,
        "\ndays" if wide else "break-even\ndays": True,
        "cheaper from\na month": True,
    }
    own = analysis.main.own
    rows: list[list[Text | str]] = [
        [Text("self-hosted", style="bold"), own.month.shown, own.query.shown, own.million_tokens.shown, *[""] * 5]
    ]
    for one in analysis.all:
        good = "green" if float(one.saved) > 0 else "red"
        rows.append(
            [
                Text(one.hosted.name, style="bold" if one is analysis.main else ""),
                one.month.shown,
                one.query.shown,
                one.million_tokens.shown,
                Text(one.saved.shown, style=good),
                Text(one.saved_share.shown if float(one.saved) > 0 else "–", style=good),
                one.break_even_queries.shown,
                one.break_even_days.shown,
                one.pays_from.shown,
            ]
        )
    table = _table(*(title for title, shown in columns.items() if shown))
    for position, row in enumerate(rows):
        cells = [cell for cell, shown in zip(row, columns.values(), strict=True) if shown]
        table.add_row(*cells, end_section=position == 0)
    return table


def _reasons(analysis: Analysis) -> RenderableType:
    against = [Text.assemble(("• ", "red"), one.text) for one in analysis.reasons]
    if not against:
        against = [
            Text("Nothing in these figures speaks against it; whether it is good enough, `boffin evaluate` says.")
        ]
    return Group(*against, *(Text(text, style="dim") for text in analysis.cautions))


def _formulas(figures: Sequence[Figure]) -> Table:
    table = Table(box=None, show_header=False, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for figure in figures:
        sign = "" if figure.value is None else "= "
        table.add_row(Text(figure.title), figure.shown, Text(f"{sign}{figure.formula}"))
    return table


def _inputs(analysis: Analysis) -> Table:
    table = Table(box=None, show_header=False, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for title, value, origin in [*analysis.input_rows(), *analysis.price_rows()]:
        table.add_row(Text(title), value, Text(origin))
    return table


def _swings(analysis: Analysis, wide: bool) -> Table:
    table = _table("", "saved\nhalved", "\ndoubled", "days\nhalved", "\ndoubled", "effect\na month", *[""] * wide)
    for swing in analysis.main_swings:
        effect = swing.effect(analysis.main)
        bar = "█" * max(1, round(_BAR * effect / (analysis.most_effect or 1)))
        table.add_row(
            swing.title,
            _saved(swing.halved),
            _saved(swing.doubled),
            swing.halved.break_even_days.shown,
            swing.doubled.break_even_days.shown,
            dollars(effect),
            *[Text(bar, style="blue")] * wide,
        )
    if wide:
        table.columns[-1].justify = "left"
    return table


def _saved(one: Versus) -> Text:
    return Text(one.saved.shown, style="" if float(one.saved) > 0 else "red")


def _scenario(scenario: Scenario) -> Iterator[RenderableType]:
    yield Text(one_line(scenario.title), style="bold")
    for title, rows in scenario.tables.items():
        yield _heading(one_line(title))
        yield _checked(rows)
    said = [one.verdict for one in scenario.checked if one.verdict]
    yield Text()
    yield Text(
        f"Of {len(said)} figures that are said, {said.count('exact')} are exact, {said.count('rounded')} are rounded, "
        f"{said.count('off')} are off.",
        style="dim",
    )


def _checked(rows: Sequence[Checked]) -> Table:
    told = any(one.verdict for one in rows)
    table = _table("", *(["said", "comes to", ""] if told else ["comes to"]), "how")
    table.columns[0].no_wrap = True
    table.columns[-1].justify = "left"
    table.columns[-1].no_wrap = False
    if told:
        table.columns[-2].justify = "left"
    for one in rows:
        verdict = Text(one.verdict, style=_STYLES[one.verdict])
        how = Text(f"= {one.figure.formula}", style="dim")
        if one.row.note:
            how.append(f"\n{one_line(one.row.note)}", style="not dim")
        table.add_row(
            Text(one_line(one.row.what, 50)),
            *([one.said, one.figure.shown, verdict] if told else [one.figure.shown]),
            how,
        )
    return table


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for position, title in enumerate(titles):
        table.add_column(title, justify="right" if position else "left", no_wrap=position > 0)
    return table


def _heading(text: str) -> Padding:
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))
