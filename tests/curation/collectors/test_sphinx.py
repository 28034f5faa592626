from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from bundle.errors import SourceError
from curation.collectors.html_page import PageReader
from curation.collectors.inventory import Inventory, InventoryError, read_inventory
from curation.collectors.page_process import PageProcess
from curation.collectors.pages import Page
from curation.collectors.sphinx import SphinxCollector
from curation.docstring import Section
from curation.entries import ApiEntry, Dropped, Entry, Origin, Prose, QuestionEntry, SectionEntry, Snippet
from curation.settings import SphinxSource

PAGES = Path(__file__).with_name("pages")
THEMES = ["alabaster", "rtd", "classic", "furo", "pydata"]
ORIGIN = Origin(source="sphinx", package="weir", version="1")


def collect(path: Path, include: Sequence[str] = ()) -> list[Entry | Dropped]:
    source = SphinxSource(path=str(path), packages=("weir",), include=tuple(include), licence="MIT")
    return list(SphinxCollector(source, path.parent, path.parent / "cache").collect())


def read(body: str, inventory: Inventory | None = None, path: str = "p.html") -> list[Entry | Dropped]:
    html = f"<html><body><nav>no</nav><div role='main'>{body}</div></body></html>"
    return PageReader(ORIGIN, inventory).read(Page(path, path, html.encode()))


def api(entries: Sequence[Entry | Dropped], symbol: str) -> ApiEntry:
    return next(one for one in entries if isinstance(one, ApiEntry) and one.documented.symbol == symbol)


@pytest.fixture(scope="module")
def alabaster() -> list[Entry | Dropped]:
    return collect(PAGES / "alabaster")


@pytest.mark.parametrize("theme", THEMES[1:])
def test_every_theme_and_version_gives_the_same(theme: str, alabaster: list[Entry | Dropped]) -> None:
    assert collect(PAGES / theme) == alabaster


def test_the_objects_of_a_page(alabaster: list[Entry | Dropped]) -> None:
    found = [one for one in alabaster if isinstance(one, ApiEntry)]
    assert [one.documented.symbol.removeprefix("weir.") for one in found] == [
        "smooth", "crest", "swell", "Level", "Level.dry", "Level.feet", "Level.parse", "rise", "climb",
    ]  # fmt: skip
    kinds = [one.documented.kind for one in found]
    assert kinds == ["function"] * 3 + ["class", "property", "method", "function"] + ["function"] * 2
    assert [one.documented.symbol for one in found if one.deprecated] == ["weir.swell"]  # not `smooth`: a parameter is
    assert {one.documented.module for one in found} == {"weir"}
    assert api(found, "weir.Level.feet").documented.receiver == "weir.Level"
    assert found[0].origin == Origin(
        source="sphinx", package="weir", version="1.2.3", licence="MIT", url="reference.html#weir.smooth"
    )


def test_a_description_in_numpydoc_style(alabaster: list[Entry | Dropped]) -> None:
    smooth = api(alabaster, "weir.smooth")
    assert smooth.documented.signature == "(levels, window=3, *, centre=True)"
    assert smooth.doc.paragraphs == (
        "Smooth levels by a moving mean.",
        "The ends of `levels` are kept as they are. See `crest` for the highest level.",
    )
    assert smooth.doc.parameters["window"] == Section("int, optional", "How many levels one mean is taken of.")
    assert list(smooth.doc.parameters) == ["levels", "window", "centre"]
    assert smooth.doc.returns == Section("list of float", "As many levels as were given.")
    assert smooth.doc.raises == {"ValueError": "If `window` is less than one."}
    assert smooth.doc.notes == ("It takes time in proportion to `len(levels)`.",)
    assert smooth.doc.see_also == {"crest": "The highest level."}
    assert [one.source.splitlines()[0] for one in smooth.snippets] == [
        ">>> from weir import smooth",
        ">>> for level in smooth([1.0, 2.0, 6.0, 2.0], window=1):",
    ]


def test_a_description_with_fields(alabaster: list[Entry | Dropped]) -> None:
    crest = api(alabaster, "weir.crest")
    assert crest.doc.parameters == {"levels": Section("list of float", "Levels in metres.")}
    assert crest.doc.returns == Section("float", "The highest of them.")
    assert crest.doc.raises == {"ValueError": "If there are none."}
    assert crest.snippets == (Snippet(source=">>> crest([1.0, 6.0, 2.0])\n6.0", form="session"),)
    by = api(alabaster, "weir.swell").doc.parameters
    assert by == {"levels": Section("", "Levels in metres."), "by": Section("float", "How much they are raised.")}


def test_names_that_share_a_description(alabaster: list[Entry | Dropped]) -> None:
    rise, climb = api(alabaster, "weir.rise"), api(alabaster, "weir.climb")
    assert rise.doc == climb.doc and rise.snippets == climb.snippets
    assert rise.snippets == (Snippet(source="weir.rise([1.0, 2.0])", form="script"),)


def test_narrative_sections(alabaster: list[Entry | Dropped]) -> None:
    sections = [one for one in alabaster if isinstance(one, SectionEntry) and one.origin.page == "tutorial.html"]
    assert [one.headings for one in sections] == [
        ("First steps",),
        ("First steps", "Smoothing"),
        ("First steps", "Smoothing", "Windows"),
    ]
    assert sections[0].content == (
        Prose(
            text="Everything is in the module `weir`. Levels are lists of numbers; "
            "see the gauge for where they come from."
        ),
    )
    assert sections[1].content == (
        Prose(text="Import the library and smooth what was read:"),
        Snippet(
            source=">>> import weir\n>>> levels = [1.0, 2.0, 6.0]\n>>> weir.smooth(levels)\n[1.0, 3.0, 6.0]",
            form="session",
        ),
        Prose(text="The levels are in metres.", role="note"),
        Prose(text="What it needs:"),
        Prose(text="at least one level,", role="item"),
        Prose(text="a window that is odd.", role="item"),
    )
    # IPython's prompts are doctest's; no console, no table, no line numbers.
    assert sections[2].content == (
        Prose(text="In IPython, with `weir.crest()`:"),
        Snippet(
            source=">>> window = [\n...     1.0,\n...     6.0,\n... ]\n\n>>> weir.crest(window)\n6.0", form="session"
        ),
        Prose(text="As a script:"),
        Snippet(source="for level in levels:\n    print(level)", form="script"),
    )


def test_questions_of_a_faq(alabaster: list[Entry | Dropped]) -> None:
    questions = [one for one in alabaster if isinstance(one, QuestionEntry)]
    assert [one.title for one in questions] == [
        "Why are my levels negative?",
        "I get a ValueError when I smooth nothing",
    ]
    assert questions[0].answer[1] == Snippet(source="levels = [level + 0.5 for level in levels]", form="script")


def test_one_page_for_all(alabaster: list[Entry | Dropped]) -> None:
    """As the builder `singlehtml` makes it."""
    single = collect(PAGES / "single")
    for kind, part in ((ApiEntry, "documented"), (QuestionEntry, "answer"), (SectionEntry, "content")):
        here = {str(getattr(one, part)) for one in single if isinstance(one, kind)}
        assert here == {str(getattr(one, part)) for one in alabaster if isinstance(one, kind)}
    assert {one.origin.page for one in single if not isinstance(one, Dropped)} == {"index.html"}


def test_include_chooses_pages() -> None:
    found = collect(PAGES / "furo", ["f*"])
    assert {one.origin.page for one in found if not isinstance(one, Dropped)} == {"faq.html"}


def test_sections_and_objects_keep_the_pages_order() -> None:
    entries = read(
        "<section id='s'><h1>Title</h1><p>Before.</p>"
        "<dl class='py function'><dt class='sig' id='m.f'>f()</dt><dd><p>Do it.</p></dd></dl>"
        "<p>Behind.</p><div class='highlight-python'><pre>m.f()</pre></div></section>"
    )
    assert [type(one).__name__ for one in entries] == ["SectionEntry", "ApiEntry", "SectionEntry"]
    assert isinstance(entries[2], SectionEntry) and entries[2].headings == ("Title",)
    assert entries[2].content == (Prose(text="Behind."), Snippet(source="m.f()", form="script"))


@pytest.mark.parametrize(
    ("box", "deprecated"),
    [
        ("<div class='deprecated'><p>Deprecated since version 3.2.</p></div>", True),
        ("<div class='deprecated-removed'><p>Deprecated since version 3.2: Use <code>g()</code>.</p></div>", True),
        ("<div class='deprecated'><p>Deprecated since version 3.9: Passing None for s is an error.</p></div>", False),
        ("<div class='deprecated'><p>Deprecated since version 3.6: keyfile is deprecated.</p></div>", False),
        ("<dl class='field-list'><dt>Parameters</dt><dd><div class='deprecated'><p>x</p></div></dd></dl>", False),
        ("<ul><li><div class='deprecated'><p>Deprecated since version 1.</p></div></li></ul>", False),
    ],
)
def test_deprecated_objects_and_parameters(box: str, deprecated: bool) -> None:
    signature = "f<span class='sig-paren'>(</span><em class='sig-param'>keyfile=None</em>"
    entries = read(f"<dl class='py function'><dt id='m.f'>{signature}</dt><dd><p>Do it.</p>{box}</dd></dl>")
    assert api(entries, "m.f").deprecated is deprecated


def test_a_deprecated_module() -> None:
    text = "Deprecated since version 3: The <code>{}</code> module is deprecated."
    box = f"<div class='deprecated-removed'><p>{text}</p></div>"
    body = "<section id='module-m'><h1>m</h1>{}<dl class='py function'><dt id='m.f'>f</dt><dd></dd></dl></section>"
    assert api(read(body.format(box.format("m"))), "m.f").deprecated
    assert not api(read(body.format(box.format("m.other"))), "m.f").deprecated


def test_objects_that_other_pages_describe_are_said_to_be_repeated() -> None:
    inventory = Inventory("weir", "1", (), {"m.f": "reference.html"}, frozenset({"m"}))
    body = "<dl class='py function'><dt id='m.f'>f</dt><dd><p>Do it.</p></dd></dl>"
    assert [type(one) for one in read(body, inventory, "reference.html")] == [ApiEntry]
    (dropped,) = read(body, inventory, "generated/f.html")
    assert isinstance(dropped, Dropped) and dropped.code == "repeated" and dropped.where == "generated/f.html"


def test_older_forms() -> None:
    entries = read(
        "<div class='section' id='s'><h1>S</h1><dl class='function'><dt id='m.f'><code>f</code>"
        "<span class='sig-paren'>(</span><em>a</em>, <em>b=1</em><span class='sig-paren'>)</span></dt><dd>"
        "<p>Do <em>a</em>.</p><dl class='field-list'><dt>Parameters</dt><dd><p><strong>a</strong> : int</p>"
        "<blockquote><div><p>The a.</p></div></blockquote></dd></dl></dd></dl>"
        "<dl class='function'><dt id='c.f'>f</dt><dd></dd></dl></div>"
    )
    found = [one for one in entries if isinstance(one, ApiEntry)]
    assert [one.documented.symbol for one in found] == ["m.f"]
    assert found[0].doc.parameters == {"a": Section("int", "The a.")}
    assert found[0].doc.paragraphs == ("Do `a`.",)


@pytest.mark.parametrize(
    ("classes", "text", "kept"),
    [
        ("highlight-python3", "x = 1", True),
        ("highlight-default", "x = f(1)", True),
        ("highlight-default", "pip install weir", False),
        ("highlight-default", "[1, 2]", False),
        ("highlight-pycon", "&gt;&gt;&gt; 1\n1", True),
        ("highlight-console", "x = 1", False),
        ("highlight-none", "x = 1", False),
        ("highlight-cython", "x = 1", False),
    ],
)
def test_only_python_is_kept(classes: str, text: str, kept: bool) -> None:
    entries = read(f"<h1>T</h1><p>Text.</p><div class='{classes} notranslate'><pre>{text}</pre></div>")
    assert isinstance(entries[0], SectionEntry)
    assert any(isinstance(one, Snippet) for one in entries[0].content) is kept


def test_hostile_pages_cost_a_line_each(tmp_path: Path) -> None:
    (tmp_path / "deep.html").write_text("<main>" + "<div>" * 3000 + "</main>")
    (tmp_path / "junk.html").write_bytes(bytes(range(256)) * 100)
    with (tmp_path / "large.html").open("wb") as handle:
        handle.truncate(100 * 1024 * 1024)
    (tmp_path / "link.html").symlink_to("/etc/passwd")
    (tmp_path / "loop.html").symlink_to(tmp_path / "loop.html")
    (tmp_path / "z.html").write_text("<main><h1>T</h1><p>Text.</p></main>")
    entries = collect(tmp_path)
    dropped = {one.where: one.code for one in entries if isinstance(one, Dropped)}
    assert dropped == {
        "deep.html": "too-deep",
        "junk.html": "no-content",
        "large.html": "too-large",
        "link.html": "unsafe-path",
        "loop.html": "broken-page",
    }
    assert [type(one) for one in entries if not isinstance(one, Dropped)] == [SectionEntry]


def test_a_page_that_takes_too_long_ends_alone() -> None:
    attributes = " ".join(f"a{number}" for number in range(200_000))
    with PageProcess("html", ORIGIN, seconds=1.0) as process:
        (slow,) = process.read(Page("slow.html", "slow.html", f"<main {attributes}>".encode()))
        assert isinstance(slow, Dropped) and slow.code == "too-slow"
    with PageProcess("html", ORIGIN) as process:
        (next_one,) = process.read(Page("p.html", "p.html", b"<main><h1>T</h1><p>Text.</p></main>"))
        assert isinstance(next_one, SectionEntry)


def test_what_is_no_documentation_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    for name, words in {"empty": "no documentation", "none": "no such folder", "file.txt": "not a folder"}.items():
        with pytest.raises(SourceError, match=words) as error:
            collect(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_damaged_inventory(tmp_path: Path) -> None:
    good = (PAGES / "furo" / "objects.inv").read_bytes()
    for number, bad in enumerate([b"", b"# Sphinx inventory version 1\n", good[:-20], good[:-40] + b"x" * 40]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "objects.inv").write_bytes(bad)
        with pytest.raises(SourceError, match=r"objects\.inv"):
            collect(folder)


def test_an_inventory_that_inflates_without_end(tmp_path: Path) -> None:
    packer = zlib.compressobj()
    path = tmp_path / "objects.inv"
    with path.open("wb") as handle:
        handle.write(b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# compressed using zlib\n")
        for _ in range(80):
            handle.write(packer.compress(b"a" * 2**20))
        handle.write(packer.flush())
    with path.open("rb") as handle, pytest.raises(InventoryError, match="more than"):
        read_inventory(handle)
