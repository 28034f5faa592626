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
from evaluation.cost.scenario import Checked, Scenario
from evaluation.cost.versus import Versus
from evaluation.escape import one_line

NARROWEST = 100
"""Columns that a pipe or a file gets, at least."""
_STYLES = {"exact": "green", "rounded": "yellow", "off": "bold red", "": ""}
_BAR = 12
"""Characters of the longest bar."""


def print_analysis(analysis: Analysis, console: Console | None = None) -> None:
    """Print the comparison, the reasons against, the formulas, the inputs and what they move."""
    _print(console, _analysis(analysis))


def print_scenario(scenario: Scenario, console: Console | None = None) -> None:
    """Print a scenario's tables: what is said, what its inputs give, and how."""
    _print(console, _scenario(scenario))


def _print(console: Console | None, parts: Iterator[RenderableType]) -> None:
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    for part in parts:
        console.print(part)


def _analysis(analysis: Analysis) -> Iterator[RenderableType]:
    own, main = analysis.main.own, analysis.main
    yield Text.assemble(
        (one_line(analysis.name), "bold"),
        f": {own.month.shown} a month, {own.query.shown} a query, {own.million_tokens.shown} a million tokens, "
        f"on {own.cards.shown} {'card' if own.cards.value == 1 else 'cards'} used to {own.used.shown}",
    )
    yield Text()
    yield _comparison(analysis)
    yield Text(
        "A month's cost has everything written off; the break-even counts what is paid, from the first day.", style="dim"
    )
    yield _heading("Should you?")
    yield _reasons(analysis)
    yield _heading(f"How it comes about, against {main.hosted.name}")
    figures = [figure for figure in (*own.figures, *main.figures) if figure.value != 0]
    yield _formulas(figures)
    yield _heading("What it starts from")
    yield _inputs(analysis)
    yield _heading("What it hangs on: each input halved and doubled")
    yield _swings(analysis)


def _comparison(analysis: Analysis) -> Table:
    table = _table(
        "",
        "a month",
        "a query",
        "a million\ntokens",
        "saved\na month",
        "saved",
        "break-even\nqueries",
        "break-even\ndays",
        "cheaper from\nqueries a month",
    )
    own = analysis.main.own
    table.add_row(
        Text("self-hosted", style="bold"), own.month.shown, own.query.shown, own.million_tokens.shown, *[""] * 5
    )
    table.add_section()
    for one in analysis.all:
        style = "bold" if one is analysis.main else ""
        good = "green" if float(one.saved) > 0 else "red"
        table.add_row(
            Text(one.hosted.name, style=style),
            one.month.shown,
            one.query.shown,
            one.million_tokens.shown,
            Text(one.saved.shown, style=good),
            Text(one.saved_share.shown if float(one.saved) > 0 else "–", style=good),
            one.break_even_queries.shown,
            one.break_even_days.shown,
            one.pays_from.shown,
        )
    return table


def _reasons(analysis: Analysis) -> RenderableType:
    against = [Text.assemble(("• ", "red"), one.text) for one in analysis.reasons]
    if not against:
        against = [Text("Nothing in these figures speaks against it; whether it is good enough, `boffin evaluate` says.")]
    return Group(*against, *(Text(text, style="dim") for text in analysis.cautions))


def _formulas(figures: Sequence[Figure]) -> Table:
    table = Table(box=None, show_header=False, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for figure in figures:
        sign = "" if figure.value is None else "= "
        table.add_row(figure.title, figure.shown, Text(f"{sign}{figure.formula}"))
    return table


def _inputs(analysis: Analysis) -> Table:
    table = Table(box=None, show_header=False, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for title, value, origin in analysis.input_rows():
        table.add_row(title, value, Text(origin))
    for one in analysis.all:
        hosted = one.hosted
        prices = f"{dollars(hosted.usd_a_million_prompt_tokens)} / {dollars(hosted.usd_a_million_answer_tokens)}"
        request = f", {dollars(hosted.usd_a_request)} a request" if hosted.usd_a_request else ""
        table.add_row(
            Text(f"{hosted.name}, 1M tokens"), f"{prices}{request}", Text(analysis.inputs.price_origins[hosted.name])
        )
    return table


def _swings(analysis: Analysis) -> Table:
    table = _table(
        "",
        "saved a month\nhalved",
        "\ndoubled",
        "break-even, days\nhalved",
        "\ndoubled",
        "effect\na month",
        "",
    )
    table.columns[-1].justify = "left"
    most = max((swing.effect(analysis.main) for swing in analysis.swings), default=0) or 1
    for swing in analysis.swings:
        effect = swing.effect(analysis.main)
        table.add_row(
            swing.title,
            _saved(swing.halved),
            _saved(swing.doubled),
            swing.halved.break_even_days.shown,
            swing.doubled.break_even_days.shown,
            dollars(effect),
            Text("█" * max(1, round(_BAR * effect / most)) if effect else "", style="blue"),
        )
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
    table.columns[-1].justify = "left"
    table.columns[-1].overflow = "fold"
    table.columns[-1].no_wrap = False
    if told:
        table.columns[-2].justify = "left"
    for one in rows:
        verdict = Text(one.verdict, style=_STYLES[one.verdict])
        how = Text(f"= {one.figure.formula}", style="dim")
        if one.row.note:
            how.append(f"\n{one_line(one.row.note)}", style="not dim")
        table.add_row(
            Text(one_line(one.row.what)),
            *([one.said, one.figure.shown, verdict] if told else [one.figure.shown]),
            how,
        )
    return table


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for position, title in enumerate(titles):
        table.add_column(title, justify="right" if position else "left", no_wrap=True)
    return table


def _heading(text: str) -> Padding:
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))

