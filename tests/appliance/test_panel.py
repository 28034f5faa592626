"""The panel in a real browser: against the real model on a real Sphinx site, and against answers that mean harm."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from appliance.server.panel import script, sheet

from .browser import Browser, Page, installed
from .panel_site import CSP, StandIn, pages

pytestmark = pytest.mark.skipif(not installed(), reason="there is no Chromium")

ROOT = "document.getElementById('boffin-panel').shadowRoot"
LAST = f"[...{ROOT}.querySelectorAll('.assistant .body')].pop()"


class Site:
    """A plain page under a strict policy, with the panel of a stand-in expert."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.expert = StandIn()
        self.serving = ExitStack()
        stack.callback(self.serving.close)
        server = self.serving.enter_context(self.expert.serving())
        page = '<!doctype html><html lang="en"><head><title>A</title>'
        page += '<meta name="viewport" content="width=device-width, initial-scale=1">'
        page += f'<script defer src="{server}/panel.js"></script>'
        page += "</head><body><main><h1>A page</h1></main></body></html>"
        (folder / "index.html").write_text(page)
        self.url = stack.enter_context(pages(folder, CSP.format(server)))
        self.browser = stack.enter_context(Browser(folder / "profile"))

    def open(self) -> Page:
        """The page, with its panel opened."""
        page = self.browser.open(self.url)
        opened(page)
        return page


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), stack)


@pytest.fixture
def site(shared: Site) -> Site:
    shared.expert.forget()
    return shared


def arrived(page: Page) -> None:
    """Wait until the panel's button is there."""
    page.wait("document.getElementById('boffin-panel') && !document.getElementById('boffin-panel').hidden")


def opened(page: Page) -> None:
    """Open a page's panel."""
    arrived(page)
    page.run(f"{ROOT}.querySelector('.opener').click()")


def ask(page: Page, question: str) -> None:
    """Ask, and wait for the end of the answer."""
    turns = f"{ROOT}.querySelectorAll('.turn').length"
    before = page.run(turns)
    field = f"{ROOT}.getElementById('question')"
    page.run(f"{field}.value = {json.dumps(question)}; {ROOT}.querySelector('form').requestSubmit()")
    ended = f"({turns} > {before} || {ROOT}.querySelector('.state').textContent)"
    page.wait(f"{ended} && {ROOT}.querySelector('.ask').textContent === 'Ask'")


def html(page: Page) -> str:
    """The last answer's HTML."""
    return str(page.run(f"{LAST}.innerHTML"))


def state(page: Page) -> str:
    """What the panel says of itself."""
    return str(page.run(f"{ROOT}.querySelector('.state').textContent"))


def test_all_of_it_is_small() -> None:
    assert len(script().packed) + len(sheet().packed) < 30_000


def test_an_answer_streams_as_markdown_under_a_strict_policy(site: Site) -> None:
    site.expert.pieces = ["Use **`sorted`**:\n\n```py", "thon\nsorted([2, 1])\n", "```\n\n- one\n- two\n"]
    page = site.open()
    ask(page, "How do I sort?")
    assert "<strong><code>sorted</code></strong>" in html(page)
    assert page.run(f"{LAST}.querySelector('pre').textContent") == "sorted([2, 1])\n"
    assert page.run(f"{LAST}.querySelectorAll('li').length") == 2
    assert page.complaints() == []
    assert page.run("[typeof marked, typeof DOMPurify]") == ["undefined", "undefined"]


def test_what_came_so_far_is_seen_and_can_be_stopped(site: Site) -> None:
    site.expert.pieces, site.expert.go_on = ["The beginning", " and the end"], threading.Event()
    page = site.open()
    page.run(f"{ROOT}.getElementById('question').focus()")
    page.type("Go on")
    page.press("Enter")
    page.wait(f"{LAST} && {LAST}.textContent.includes('The beginning')")
    page.run(f"{ROOT}.querySelector('.ask').click()")
    page.wait(f"{ROOT}.querySelector('.ask').textContent === 'Ask'")
    assert state(page) == "Stopped."
    assert "the end" not in html(page)
    site.expert.go_on.set()


NOTES = '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "read": [null]}]'
HOSTILE = [
    "<script>window.harm = 1</script>",
    "<img src=x onerror='window.harm = 1'>",
    "![x](https://evil.example/pixel.png)",
    "[click](javascript:window.harm=1)",
    "[click](JaVaScRiPt&colon;window.harm=1)",
    "[click](data:text/html,<script>window.harm=1</script>)",
    "<a href='vbscript:x' onclick='window.harm=1'>x</a>",
    "<svg><animate onbegin=window.harm=1 attributeName=x dur=1s>",
    "<style>* { display: none }</style><link rel=stylesheet href=https://evil.example/x.css>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.harm=1>",
    "```html\n<img src=x onerror=window.harm=1>\n```",
    "[x]: javascript:window.harm=1\n\n[x]",
    "<form action=https://evil.example><input name=attributes><button id=question>x</button></form>",
    "`<iframe srcdoc='<script>parent.harm=1</script>'>`",
    '[a](https://ok.example/"onmouseover=window.harm=1//)',
]


def test_an_answer_that_means_harm_is_text(site: Site) -> None:
    page = site.open()
    for piece in HOSTILE:
        site.expert.pieces = [piece]
        ask(page, "Harm me")
        tags = page.run(f"[...{LAST}.querySelectorAll('*')].map(each => each.localName)")
        assert set(tags) <= {"p", "a", "pre", "code", "div", "button"}, (piece, tags)
        attributes = page.run(f"[...{LAST}.querySelectorAll('*')].flatMap(each => each.getAttributeNames())")
        assert set(attributes) <= {"href", "target", "rel", "tabindex", "class", "type"}, (piece, attributes)
        links = page.run(f"[...{LAST}.querySelectorAll('a[href]')].map(each => each.protocol)")
        assert set(links) <= {"https:"}, (piece, links)
    site.expert.pieces = ["".join(HOSTILE), *HOSTILE]
    ask(page, "All at once")
    assert page.run("window.harm") is None
    assert not [url for url in page.requested() if "evil" in url]
    assert page.complaints() == []
    # Nor does what was remembered of them do harm to the next page.
    again = site.open()
    again.wait(f"{LAST} && {LAST}.textContent")
    assert again.run("window.harm") is None


@pytest.mark.parametrize("piece", ["all work and no play ", "[" * 20, "*a_", "> " * 10, "```\n", "<b>"])
def test_a_megabyte_is_shown_and_the_page_lives(site: Site, piece: str) -> None:
    whole = piece * (1_000_000 // len(piece))
    site.expert.pieces = [whole[begin : begin + 5000] for begin in range(0, len(whole), 5000)]
    page = site.open()
    page.run("window.turns = 0; (function tick() { turns += 1; setTimeout(tick, 0) })()")
    ask(page, "Say much")
    assert page.run(f"{LAST}.textContent.length") == len(whole)
    assert page.run("turns") > 5, "the page had hardly a turn beside the answer"
    page.run(f"{ROOT}.querySelector('[aria-label=\"New conversation\"]').click()")


def test_the_conversation_is_remembered_here_and_goes_along(site: Site) -> None:
    page = site.open()
    page.run(f"{ROOT}.querySelector('[aria-label=\"New conversation\"]').click()")
    ask(page, "First?")
    page.go(f"{site.url}/index.html?again")
    opened(page)
    assert page.run(f"[...{ROOT}.querySelectorAll('.body')].map(each => each.textContent.trim())") == [
        "First?",
        "Good.",
    ]
    ask(page, "Second?")
    sent = site.expert.asked[-1]["messages"]
    assert sent == [
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "Good."},
        {"role": "user", "content": "Second?"},
    ]
    page.run(f"{ROOT}.querySelector('[aria-label=\"New conversation\"]').click()")
    assert page.run("Object.values(localStorage)") == ["[]"]


def test_what_it_read_is_listed_and_what_does_not_exist_is_said(site: Site) -> None:
    harm = "<img src=x onerror='window.harm = 1'>"
    site.expert.sources = [
        {"number": 1, "title": "json.loads", "url": "https://docs.example/json#loads", "text": "…"},
        {"number": 2, "title": harm, "url": "javascript:window.harm=1", "text": "…"},
    ]
    site.expert.pieces = ["🎉 It reads text. ", "Then more.\n"]
    citation = {"start_index": 0, "end_index": len("🎉 It reads text."), "url": "", "title": "json.loads", "number": 1}
    findings = [{"line": 1, "name": "json.loadz", "problem": "no-such-attribute", "nearest": "json.loads"}]
    site.expert.told = [
        {"delta": {}, "checks": [{"block": 0, "start": 0, "end": 9, "error": "", "findings": findings}]},
        {"delta": {"annotations": [{"type": "url_citation", "url_citation": citation}]}},
    ]
    page = site.open()
    ask(page, "How do I read JSON?")
    foot = f"[...{ROOT}.querySelectorAll('.assistant .foot')].pop()"

    def seen(page: Page) -> list[object]:
        texts = f"[...{foot}.querySelectorAll('p, li')].map(each => each.textContent)"
        return [page.run(f"{LAST}.textContent.trim()"), *page.run(texts)]

    wanted = [
        "🎉 It reads text. [1] Then more.",
        "There is no json.loadz; the nearest is json.loads.",
        "json.loads",
        harm,
    ]
    assert seen(page) == wanted
    assert page.run(f"[...{foot}.querySelectorAll('a')].map(each => each.href)") == ["https://docs.example/json#loads"]
    assert page.run("window.harm") is None and page.complaints() == []
    # It is remembered with the answer, and doesn't go along with the next question.
    page.go(f"{site.url}/index.html?read")
    opened(page)
    page.wait(f"{LAST} && {LAST}.textContent")
    assert seen(page) == wanted
    ask(page, "And then?")
    sent: Any = site.expert.asked[-1]["messages"]
    assert [sorted(message) for message in sent] == [["content", "role"]] * len(sent)
    page.run(f"{ROOT}.querySelector('[aria-label=\"New conversation\"]').click()")


@pytest.mark.parametrize("kept", ["no JSON", "[1]", '{"a": 1}', '[{"role": "user"}]', "null", NOTES])
def test_a_memory_that_is_not_ours_does_no_harm(site: Site, kept: str) -> None:
    page = site.open()
    page.run(f"localStorage.setItem(Object.keys(localStorage)[0] || 'boffin-panel x', {json.dumps(kept)})")
    page.go(f"{site.url}/index.html?{len(kept)}")
    opened(page)
    ask(page, "Well?")
    assert html(page).strip() == "<p>Good.</p>"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (HTTPStatus.TOO_MANY_REQUESTS, "Too many questions at the moment. Ask again in 7 s."),
        (HTTPStatus.SERVICE_UNAVAILABLE, "The expert is busy. Ask again in 7 s."),
        (HTTPStatus.UNAUTHORIZED, "The expert doesn't know this page's key."),
        (HTTPStatus.BAD_REQUEST, "no such thing"),
    ],
)
def test_a_refusal_is_said_and_the_question_kept(site: Site, status: HTTPStatus, said: str) -> None:
    site.expert.status = status
    page = site.open()
    ask(page, "Well?")
    assert state(page) == said
    assert page.run(f"{ROOT}.getElementById('question').value") == "Well?"


def test_an_answer_that_breaks_off_says_so(site: Site) -> None:
    site.expert.broken = True
    page = site.open()
    ask(page, "Well?")
    assert state(page) == "The answer broke off."
    assert "Good." in html(page)


def test_keys_alone_do(site: Site) -> None:
    site.expert.pieces = ["```python\nprint(1)\n```"]
    page = site.browser.open(site.url)
    arrived(page)
    focus = f"({ROOT}.activeElement || {{}})"
    page.press("Tab")
    assert page.run(f"{focus}.className") == "opener"
    page.press("Enter")
    assert page.run(f"{focus}.id") == "question"
    page.type("First line")
    page.press("Enter", shift=True)
    page.type("second line")
    assert page.run(f"{ROOT}.getElementById('question').value") == "First line\nsecond line"
    page.press("Enter")
    page.wait(f"{ROOT}.querySelector('p[aria-live=polite]').textContent.startsWith('Answer: print(1)')")
    # Back from the question: the code's copy button, the code itself, the conversation.
    seen = []
    for _ in range(3):
        page.press("Tab", shift=True)
        seen.append(page.run(f"{focus}.className || {focus}.localName"))
    assert seen == ["copy", "pre", "log"]
    page.press("Tab")
    page.press("Tab")
    page.press("Enter")
    page.wait(f"{focus}.textContent === 'Copied'")
    page.press("Escape")
    assert page.run(f"[{ROOT}.getElementById('panel').hidden, {focus}.className]") == [True, "opener"]


def test_before_the_first_question_it_says_what_it_is_for(site: Site) -> None:
    hint = f"getComputedStyle({ROOT}.querySelector('.hint')).display !== 'none'"
    site.expert.pieces = ["So."]
    page = site.open()
    ask(page, "How?")
    seen = [page.run(hint)]
    page.run(f"{ROOT}.querySelector('[aria-label=\"New conversation\"]').click()")
    seen.append(page.run(hint))
    page.go(site.url)
    opened(page)
    assert [*seen, page.run(hint)] == [False, True, True]


def test_it_fits_a_phone_whose_page_does_not(site: Site) -> None:
    page = site.browser.open(site.url)
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=700, deviceScaleFactor=1, mobile=True)
    page.go(site.url)
    page.run("document.querySelector('h1').style.width = '600px'")
    page.wait("innerWidth > 500")  # what is fixed is laid out on so much
    arrived(page)
    place = "(({{left, top, right, bottom}}) => [left, top, right, bottom])({}.getBoundingClientRect())"
    left, top, right, bottom = page.run(place.format(f"{ROOT}.querySelector('.opener')"))
    assert left > 0 and top > 0 and right < 390 and bottom < 700
    opened(page)
    assert page.run(place.format(f"{ROOT}.getElementById('panel')")) == [0, 0, 390, 700]


def test_axe_finds_nothing_in_either_light(site: Site) -> None:
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package with axe-core is not installed")
    axe = (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    site.expert.pieces = [
        "# So\n\nUse `x`, see [there](https://a.example):\n\n```\nx = 1\n```\n\n> q\n\n|a|b|\n|-|-|\n|1|2|"
    ]
    site.expert.sources = [{"number": 1, "title": "sorted", "url": "https://a.example", "text": ""}]
    findings = [{"name": "json.loadz", "nearest": ""}]
    site.expert.told = [{"delta": {}, "checks": [{"findings": findings}]}]
    page = site.open()
    ask(page, "How?")
    for dark in ("", "dark"):
        style = f"document.documentElement.style.background = '{'#111' if dark else '#fff'}'"
        page.run(f"{style}; document.querySelector('h1').style.color = '{'#eee' if dark else '#111'}'")
        page.wait(f"document.getElementById('boffin-panel').dataset.theme === '{dark or 'light'}'")
        found = json.loads(page.run(f"{axe}; axe.run().then(found => JSON.stringify(found))"))
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
        assert len(found["passes"]) > 15


def test_a_server_that_went_away_is_told(tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = Site(tmp_path, stack)
        page = site.open()
        ask(page, "There?")
        site.serving.close()
        ask(page, "Still there?")
        assert state(page) == "The expert is away. The pages are still here."
        assert page.run(f"{ROOT}.getElementById('question').value") == "Still there?"
