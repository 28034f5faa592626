"""A poisoned corpus goes through the whole stage: every planted fault is caught under its own reason code, and all that
is clean is kept, just as it is without the poison.

The texts that are planted stand in poisoned.toml; files that are hostile as files are made here. Whatever is planted is
known by the address that its record or its rejection names.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import stat
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pytest

from bundle.errors import SourceError
from bundle.records import EVAL, REJECTED, REPORT, TRAIN, Record, read_records, read_rejections
from bundle.stage import StageResult, silent
from curation.fingerprint import content
from curation.settings import (
    AnySource,
    CurationSettings,
    Filters,
    GitHubSource,
    JsonlSource,
    MarkdownSource,
    SphinxSource,
    StackExchangeSource,
    Verification,
)
from curation.stage import run

PACKAGES = ("json", "math", "statistics", "requests")
OWN = "https://example.org/"
STACK = "https://stackoverflow.com/a/"
GITHUB = "https://github.com/psf/requests/issues/"

# Put together here, so that no file of the tests has a key in it.
AWS_KEY = "AKIA" + "Q3EGRIDK7LQ5WZBN"
GITHUB_TOKEN = "ghp_" + "a8Kd93LmQ0zXvB71TyRwE5uIoP24sFgHjKlC"
ADDRESS = "anna.berg" + "@gmail.com"
TEXTS = {
    "{aws_key}": AWS_KEY,
    "{github_token}": GITHUB_TOKEN,
    "{address}": ADDRESS,
    "{opening}": "(" * 700,
    "{closing}": ")" * 700,
    "{points}": "- One more word is said about it.\n" * 70,
}
BAD_LINES: tuple[tuple[str | bytes, str], ...] = (
    ('{"instruction": "How?", "output": "Just', "invalid-entry"),
    ('["How?", "Just so."]', "invalid-entry"),
    ('{"instruction": "How?", "outputs": "Just so."}', "invalid-entry"),
    ('{"instruction": "", "output": "Just so."}', "invalid-entry"),
    ('{"instruction": "How?", "output": "Just so.", "package": "numpy"}', "invalid-entry"),
    ('{"instruction": "How?", "output": "Just so.", "symbol": "os.system(1)"}', "invalid-entry"),
    ('{"instruction": "How?", "output": "\\ud800"}', "invalid-entry"),
    (f'{{"instruction": "{ADDRESS}", "key": "{AWS_KEY}"}}', "invalid-entry"),
    (f'{{"instruction": "How?", "output": "Just so.", "package": "{AWS_KEY}"}}', "invalid-entry"),
    (b'{"instruction": "How?", "output": "\xff\xfe"}', "invalid-entry"),
    ("[" * 100_000, "invalid-entry"),
    ('{"instruction": "How?", "output": "' + "x" * 2_000_000 + '"}', "too-large"),
)
HOSTILE_XML = {
    "laughs.xml": '<!DOCTYPE posts [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>\n'
    '<posts><row Id="1" PostTypeId="1" Title="&c;" Body="&c;" Tags="&lt;python&gt;"/></posts>',
    "external.xml": '<!DOCTYPE posts [<!ENTITY secret SYSTEM "file:///etc/passwd">]>\n'
    '<posts><row Id="1" PostTypeId="1" Title="Who?" Body="&secret;" Tags="&lt;python&gt;"/></posts>',
    "endless.xml": f'<posts><row Id="1" PostTypeId="1" Title="{"x" * 3_000_000}"/></posts>',
}
API = """<dl class="py function"><dt class="sig sig-object py" id="math.{name}">
<span class="descname">math.{name}</span><span class="sig-paren">(</span><em class="sig-param">{parameter}</em>
<span class="sig-paren">)</span></dt><dd><p>Return {returns}.</p>{note}
<div class="highlight-pycon3"><div class="highlight"><pre>&gt;&gt;&gt; math.{call}
{shown}
</pre></div></div></dd></dl>"""
HYPOT = API.format(
    name="hypot",
    parameter="*coordinates",
    returns="the length of the vector from the origin to a point",
    note="",
    call="hypot(3, 4)",
    shown="7.0",  # wrong: what is shown in the end has to be recorded, not copied
)
ULP = API.format(
    name="ulp",
    parameter="x",
    returns="the value of the least significant bit of a float",
    note='<div class="deprecated"><p>Deprecated since version 3.0: It is going to be removed.</p></div>',
    call="ulp(1.0)",
    shown="2.220446049250313e-16",
)
CUBIC = API.format(
    name="cubic", parameter="x", returns="the third power of a number", note="", call="cubic(2)", shown="8"
)


@dataclass(frozen=True)
class Planted:
    """Something that is planted in a source."""

    at: str
    reason: str = ""
    """The stage and the reason code of its rejection; empty for what is clean."""
    ask: str = ""
    say: str = "A short program does what the question asks for, in a few lines of code."
    code: str = ""
    below: str = ""
    input: str = ""
    symbol: str = ""

    @property
    def answer(self) -> str:
        """As Markdown."""
        block = f"```python\n{self.code}\n```" if self.code else ""
        return "\n\n".join(part for part in (self.say, block, self.below) if part)


class Corpus:
    """Sources below a folder, with the poison or without it."""

    def __init__(self, folder: Path, poisoned: bool) -> None:
        self._folder = folder
        self._poisoned = poisoned
        self.clean: set[str] = set()
        """Addresses of what is clean."""
        self.faults: dict[str, str] = {}
        """Address → stage and reason code of what isn't."""
        texts = (Path(__file__).parent / "poisoned.toml").read_text()
        self._items = tomllib.loads(texts.replace("{outside}", str(folder / "outside")))
        for write in (self._own, self._markdown, self._stackexchange, self._github, self._html, self._zip, self._tar):
            write()

    @property
    def sources(self) -> tuple[AnySource, ...]:
        hostile = [StackExchangeSource(path=name, packages=PACKAGES, tags=("python",)) for name in HOSTILE_XML]
        return (
            JsonlSource(path="own.jsonl", packages=PACKAGES),
            *(hostile if self._poisoned else ()),
            MarkdownSource(path="guides", packages=PACKAGES),
            StackExchangeSource(path="dump", packages=PACKAGES, tags=("python",)),
            GitHubSource(path="issues", packages=PACKAGES),
            SphinxSource(path="html", packages=PACKAGES),
            SphinxSource(path="docs.zip", packages=PACKAGES),
            SphinxSource(path="docs.tar.gz", packages=PACKAGES),
        )

    def curate(self, *sources: AnySource) -> StageResult:
        """Run the stage, on all sources by default."""
        out = self._folder / "out"
        out.mkdir()
        settings = CurationSettings(
            sources=sources or self.sources,
            filters=Filters(records_a_symbol=50, max_kind_share=1.0),
            verification=Verification(seconds=3.0, workers=2),
            held_out=0.3,
            max_share=0.99,
        )
        return run(settings, "poisoned", self._folder, self._folder / "cache", out, silent)

    def _take(self, source: str, prefix: str = "") -> list[Planted]:
        """What is planted in a source, noted down."""
        found = []
        for values in self._items[source]:
            one = Planted(**{key: _filled(value) for key, value in values.items()})
            if one.reason and not self._poisoned:
                continue
            if one.reason:
                self.faults[prefix + one.at] = one.reason
            else:
                self.clean.add(prefix + one.at)
            found.append(one)
        return found

    def _write(self, name: str, data: str | bytes) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def _own(self) -> None:
        lines: list[str | bytes] = []
        for one in self._take("own", OWN):
            values = {
                "instruction": one.ask or f"What is to be said about the matter of {one.at}?",
                "input": one.input,
                "output": one.answer,
                "symbol": one.symbol,
                "url": OWN + one.at,
            }
            lines.append(json.dumps(values))
        for line, code in BAD_LINES if self._poisoned else ():
            lines.append(line)
            self.faults[f"own.jsonl:{len(lines)}"] = f"collect/{code}"
        self._write("own.jsonl", b"\n".join(one.encode() if isinstance(one, str) else one for one in lines))

    def _markdown(self) -> None:
        sections = [f"## {one.ask}\n\n{one.answer}\n" for one in self._take("sections")]
        self._write("guides/guide.md", "\n".join(["# Numbers and texts\n", *sections]))
        if self._poisoned:
            self._sized("guides/large.md", 100 * 2**20)
            self._link("guides/link.md", "/etc/passwd")

    def _stackexchange(self) -> None:
        rows = []
        for one in self._take("answers", STACK):
            body = f"<p>{escape(one.say)}</p><pre><code>{escape(one.code)}</code></pre>"
            number = int(one.at)
            rows += [
                _row(Id=number + 1, PostTypeId=1, Title=one.ask, Body="<p>Who knows?</p>", Tags="<python>", Score=3),
                _row(Id=number, PostTypeId=2, ParentId=number + 1, Body=body, Score=5),
            ]
        if self._poisoned:
            rows += [
                _row(Id=501, PostTypeId=1, Title="Does nobody know an answer?", Body="x", Tags="<python>", Score=1),
                _row(Id=502, PostTypeId=1, Title="Is this too much?", Body="x" * 300_000, Tags="<python>", Score=1),
                _row(Id="many", PostTypeId=1, Title="What is my number?", Body="x", Tags="<python>", Score=1),
            ]
            self.faults |= {
                "https://stackoverflow.com/q/501": "collect/no-answer",
                "Posts.xml, post 502": "collect/too-large",
                "Posts.xml, post many": "collect/invalid-entry",
            }
            for name, text in HOSTILE_XML.items():
                self._write(name, f'<?xml version="1.0" encoding="utf-8"?>\n{text}')
                self.faults[name] = "collect/hostile-xml"
        self._write("dump/Posts.xml", f'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n{"".join(rows)}</posts>\n')

    def _github(self) -> None:
        issues = [_issue(one.at, one.ask, one.answer) for one in self._take("fixes", GITHUB)]
        if self._poisoned:
            broken = json.dumps([_issue("9", "Left over", "x")]) + '[{"number": 1, "title": "cut o'
            self._write("issues/broken.json", broken)
            issues += [
                _issue("6", "Nobody has an answer to this", "Me too!"),
                _issue("7", "A comment that has no end", "word " * 20_000),
                _issue("8", "Half a character \ud800 in the title", "```python\nprint(1)\n```"),
                _issue("9", "A marked answer without code", "Works for me.", marked=True),
                {"url": f"{GITHUB}10", "body": "neither an issue nor a comment"},
            ]
            self.faults |= {
                "broken.json": "collect/broken-file",
                f"{GITHUB}6": "collect/no-answer",
                f"{GITHUB}7": "collect/too-large",
                f"{GITHUB}8": "collect/invalid-entry",
                f"{GITHUB}9": "compose/no-example",
                f"{GITHUB}10": "collect/invalid-entry",
            }
        self._write("issues/issues.json", json.dumps(issues))

    def _html(self) -> None:
        self._write("html/api.html", _page(HYPOT + (ULP + CUBIC if self._poisoned else "")))
        self.clean.add("api.html#math.hypot")
        if not self._poisoned:
            return
        self._write("html/deep.html", _page("<div>" * 5000 + "<p>Deep.</p>"))
        self._write("html/empty.html", "<html><body>")
        self._sized("html/large.html", 100 * 2**20)
        self._link("html/link.html", "/etc/passwd")
        self._link("html/endless.html", "/proc/kcore")
        os.mkfifo(self._folder / "html" / "pipe.html")
        self.faults |= {
            "api.html#math.ulp": "clean/deprecated",
            "api.html#math.cubic": "collect/unknown-symbol",
            "deep.html": "collect/too-deep",
            "empty.html": "collect/no-content",
            "pipe.html": "collect/broken-page",
        }

    def _sized(self, name: str, size: int) -> None:
        os.truncate(self._write(name, "<p>"), size)
        self.faults[Path(name).name] = "collect/too-large"

    def _link(self, name: str, target: str) -> None:
        (self._folder / name).symlink_to(target)
        self.faults[Path(name).name] = "collect/unsafe-path"

    def _zip(self) -> None:
        with zipfile.ZipFile(self._folder / "docs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            guide = _section_page(self._take("pages"))
            archive.writestr("guide.html", guide)
            if not self._poisoned:
                return
            for name in ("../evil.html", "/evil.html", "C:\\evil.html", "a/../../evil.html"):
                archive.writestr(name, guide)
                self.faults[name] = "collect/unsafe-path"
            link = zipfile.ZipInfo("zip-link.html")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
            archive.writestr("zip-bomb.html", bytes(32 * 2**20))
            archive.writestr("zip-large.html", random.Random(1).randbytes(11 * 2**20), zipfile.ZIP_STORED)
            archive.writestr("zip-liar.html", guide * 50)
            archive.getinfo("zip-liar.html").file_size = 100
        self.faults |= {
            "zip-link.html": "collect/unsafe-path",
            "zip-bomb.html": "collect/archive-bomb",
            "zip-large.html": "collect/too-large",
            "zip-liar.html": "collect/broken-page",
        }

    def _tar(self) -> None:
        with tarfile.open(self._folder / "docs.tar.gz", "w:gz") as archive:
            tips = _section_page(self._take("tips")).encode()
            info = tarfile.TarInfo("tips.html")
            info.size = len(tips)
            archive.addfile(info, io.BytesIO(tips))
            if not self._poisoned:
                return
            for name, kind, target in (
                ("../tar-evil.html", tarfile.REGTYPE, ""),
                ("tar-link.html", tarfile.SYMTYPE, "/etc/passwd"),
                ("tar-hard-link.html", tarfile.LNKTYPE, "../../etc/passwd"),
                ("tar-device.html", tarfile.CHRTYPE, ""),
            ):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                archive.addfile(info)
                self.faults[name] = "collect/unsafe-path"


def _filled(text: str) -> str:
    for name, instead in TEXTS.items():
        text = text.replace(name, instead)
    return text


def _row(**attributes: object) -> str:
    values = " ".join(f'{name}="{escape(str(value))}"' for name, value in attributes.items())
    return f"<row {values} />\n".replace("\n", "&#xA;", values.count("\n"))


def _issue(number: str, title: str, answer: str, marked: bool = False) -> dict[str, object]:
    comment = {"body": answer, "author_association": "MEMBER", "user": {"login": "maintainer"}, "isAnswer": marked}
    url = GITHUB + number
    return {"number": int(number), "title": title, "state": "closed", "html_url": url, "comments": [comment]}


def _page(content: str) -> str:
    return f'<html><head><title>A page</title></head><body><div role="main">{content}</div></body></html>'


def _section_page(sections: Sequence[Planted]) -> str:
    return _page(
        "".join(
            f'<section id="{one.at.partition("#")[2]}"><h2>{one.ask}</h2><p>{escape(one.say)}</p>'
            f'<div class="highlight-python3"><div class="highlight"><pre>{escape(one.code)}</pre></div></div></section>'
            for one in sections
        )
    )


@dataclass(frozen=True)
class Curated:
    """What the stage made of a corpus."""

    corpus: Corpus
    folder: Path
    result: StageResult

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def records(self) -> list[Record]:
        return [record for name in (TRAIN, EVAL) for record in read_records(self.out / name)]

    @property
    def rejections(self) -> dict[str, set[str]]:
        """Address → stages and reason codes."""
        found: dict[str, set[str]] = {}
        for one in read_rejections(self.out / REJECTED):
            address = one.record.provenance.url if one.record else one.where.partition(", character")[0]
            found.setdefault(address, set()).add(f"{one.stage}/{one.code}")
        return found

    def of(self, address: str) -> list[Record]:
        return [record for record in self.records if record.provenance.url == address]


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Curated:
    folder = tmp_path_factory.mktemp("poisoned")
    corpus = Corpus(folder, poisoned=True)
    (folder / "outside.secret").write_text("a secret of this machine")
    return Curated(corpus, folder, corpus.curate())


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, poisoned: Curated) -> Curated:
    folder = tmp_path_factory.mktemp("clean")
    # The same libraries need not be looked at twice.
    shutil.copytree(poisoned.folder / "cache" / "libraries", folder / "cache" / "libraries")
    corpus = Corpus(folder, poisoned=False)
    return Curated(corpus, folder, corpus.curate())


def test_every_fault_is_caught_under_its_own_code(poisoned: Curated, clean: Curated) -> None:
    expected = {address: {fault} for address, fault in poisoned.corpus.faults.items()}
    assert len(expected) > 100
    assert poisoned.rejections == expected | clean.rejections


def test_nothing_clean_is_lost(poisoned: Curated, clean: Curated) -> None:
    assert len(clean.corpus.clean) > 25
    assert {record.provenance.url for record in poisoned.records} == poisoned.corpus.clean == clean.corpus.clean
    kept, without_poison = (
        {name: (one.out / name).read_bytes() for name in (TRAIN, EVAL)} for one in (poisoned, clean)
    )
    assert kept == without_poison


def test_no_file_of_the_dataset_has_a_secret(poisoned: Curated) -> None:
    files = [path for path in poisoned.out.rglob("*") if path.is_file()]
    assert {TRAIN, EVAL, REJECTED, REPORT} <= {path.name for path in files}
    secrets = (AWS_KEY, GITHUB_TOKEN, ADDRESS, "a secret of this machine", "root:x:0:0")
    assert [(path.name, one) for path in files for one in secrets if one.encode() in path.read_bytes()] == []


def test_what_is_masked_is_told(poisoned: Curated) -> None:
    masked = json.loads((poisoned.out / REPORT).read_text())["masked"]
    assert set(masked) == {"AWS key", "GitHub token", "e-mail address"}
    (record,) = poisoned.of(f"{OWN}aws")
    assert 'key = "REDACTED"  # of user@example.com' in record.output and "# REDACTED" in record.output
    (record,) = poisoned.of(f"{OWN}contact")
    assert "user@example.com" in record.instruction
    assert '# {"name": "Anna", "mail": "user@example.com"}' in record.output


def test_output_is_recorded_where_the_documentation_shows_another(poisoned: Curated) -> None:
    record = poisoned.of("api.html#math.hypot")[0]
    assert "# 5.0" in record.output and "7.0" not in record.output


def test_a_source_of_which_nothing_can_be_used_is_told(poisoned: Curated) -> None:
    told = [note for note in poisoned.result.notes if "could be used" in note]
    assert [note.split()[2] for note in told] == list(HOSTILE_XML)


def test_nothing_reached_outside(poisoned: Curated) -> None:
    assert not (poisoned.folder / "outside").exists()
    assert list(poisoned.folder.parent.rglob("*evil*")) == []


def test_what_a_link_leads_to_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("A")
    (tmp_path / "docs" / "link.md").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("1")
    before = content("docs", tmp_path)
    (tmp_path / "outside").write_text("2")
    assert content("docs", tmp_path) == before
    (tmp_path / "docs" / "a.md").write_text("B")
    assert content("docs", tmp_path) != before


def test_an_archive_that_is_a_bomb_as_a_whole_is_one_line(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, poisoned=False)
    with tarfile.open(tmp_path / "bomb.tar.xz", "w:xz", preset=0) as archive:
        for number in range(2):
            info = tarfile.TarInfo(f"{number}.html")
            info.size = 50 * 2**20
            archive.addfile(info, _Zeros())
    with pytest.raises(SourceError, match=r"bomb\.tar\.xz: .*made to fill memory") as caught:
        corpus.curate(SphinxSource(path="bomb.tar.xz", packages=("math",)))
    assert "\n" not in str(caught.value)


class _Zeros(io.RawIOBase):
    def read(self, size: int = -1, /) -> bytes:
        return bytes(size)
