"""An analysis as one self-contained HTML page: no script, nothing fetched. Knows nothing about how it was reckoned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from evaluation.cost.analysis import Analysis
from evaluation.cost.picture import picture
from evaluation.escape import one_line

_STYLE = """
  :root { color-scheme: light dark; --line: #d0d7de; --faint: #57606a; --good: #1a7f37; --bad: #cf222e }
  @media (prefers-color-scheme: dark) { :root { --line: #30363d; --faint: #9198a1; --good: #3fb950; --bad: #f85149 } }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
  th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line) }
  th, td { text-align: right; vertical-align: top }
  th:first-child, td:first-child, td.how { text-align: left } td.how, p.faint { color: var(--faint); font-size: .9em }
  .good { color: var(--good) } .bad { color: var(--bad) } tr.main td:first-child { font-weight: 600 }
  svg { width: 100%; height: auto } .wide { overflow-x: auto }
"""


def render_page(analysis: Analysis) -> str:
    """The whole page."""
    title = f"What {one_line(analysis.name)} costs"
    body = "\n".join(_parts(analysis))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n{body}\n"
        "</body></html>\n"
    )


def _parts(analysis: Analysis) -> Iterator[str]:
    own, main = analysis.main.own, analysis.main
    yield (
        f"<p>{own.month.shown} a month for {analysis.case.queries_a_month:,.0f} queries: {own.query.shown} a query, "
        f"{own.million_tokens.shown} a million tokens, on {own.cards.shown} "
        f"{'card' if own.cards.value == 1 else 'cards'} used to {own.used.shown}.</p>"
    )
    rows = [_row("self-hosted", own.month.shown, own.query.shown, own.million_tokens.shown, *[""] * 5)]
    for one in analysis.all:
        good = float(one.saved) > 0
        rows.append(
            _row(
                one.hosted.name,
                one.month.shown,
                one.query.shown,
                one.million_tokens.shown,
                one.saved.shown,
                one.saved_share.shown if good else "–",
                one.break_even_queries.shown,
                one.break_even_days.shown,
                one.pays_from.shown,
                kind="main" if one is main else "",
                styles={4: "good" if good else "bad"},
            )
        )
    yield _table(
        rows,
        "",
        "a month",
        "a query",
        "a million tokens",
        "saved a month",
        "saved",
        "break-even, queries",
        "break-even, days",
        "cheaper from, queries a month",
    )
    yield '<p class="faint">A month’s cost has everything written off; the break-even counts what is paid.</p>'
    yield picture(analysis)
    yield "<h2>Should you?</h2>"
    reasons = [one.text for one in analysis.reasons] or ["Nothing in these figures speaks against it."]
    yield f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in reasons)}</ul>"
    yield from (f'<p class="faint">{escape(text)}</p>' for text in analysis.cautions)
    yield f"<h2>How it comes about, against {escape(main.hosted.name)}</h2>"
    yield _table(
        [
            _row(one.title, one.shown, f"{'= ' if one.value is not None else ''}{one.formula}", styles={2: "how"})
            for one in analysis.formulas()
        ]
    )
    yield "<h2>What it starts from</h2>"
    inputs = [_row(*row, styles={2: "how"}) for row in [*analysis.input_rows(), *analysis.price_rows()]]
    yield _table(inputs)


def _table(rows: Sequence[str], *titles: str) -> str:
    head = f"<tr>{''.join(f'<th>{escape(title)}</th>' for title in titles)}</tr>" if titles else ""
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _row(*cells: str, kind: str = "", styles: dict[int, str] | None = None) -> str:
    told = (styles or {}).get
    inner = "".join(
        f'<td class="{told(position)}">{escape(cell)}</td>' if told(position) else f"<td>{escape(cell)}</td>"
        for position, cell in enumerate(cells)
    )
    return f'<tr class="{kind}">{inner}</tr>' if kind else f"<tr>{inner}</tr>"
