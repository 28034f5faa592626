"""Curation's part of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bundle.settings import SettingsPart


class Source(SettingsPart):
    """What every source can say of itself."""

    licence: str = ""
    """The licence of the texts, as a name or an SPDX identifier; empty takes what the source says of itself."""


class LibrarySource(Source):
    """A source that documents installed libraries, whose code can be run and whose symbols can be checked."""

    packages: tuple[str, ...] = Field(min_length=1)
    """Import names of the libraries, e.g. `numpy`; `stdlib` stands for Python's standard library."""
    python: str = ""
    """The Python interpreter that has them, e.g. `../sdk/.venv/bin/python`; empty for Boffin's own."""


class PackageSource(LibrarySource):
    """Installed packages, read by importing them and looking at what is there."""

    kind: Literal["package"] = "package"
    """The kind of source: installed packages."""


class SphinxSource(LibrarySource):
    """Documentation that Sphinx built: a folder, an archive or a site."""

    kind: Literal["sphinx"] = "sphinx"
    """The kind of source: HTML that Sphinx built."""
    path: str
    """A folder, a .zip or .tar archive, or the http(s) address of a site or of an archive."""
    version: str = ""
    """The version that is documented; empty takes it from objects.inv. It has to be the installed one."""
    include: tuple[str, ...] = ()
    """Pages to read, as patterns of their paths such as `library/*`; empty reads all."""
    requests_per_second: float = Field(default=2.0, gt=0, le=50)
    """The rate at which a site is asked for pages."""


class ReadTheDocsSource(LibrarySource):
    """A project on Read the Docs, by its downloadable HTML."""

    kind: Literal["readthedocs"] = "readthedocs"
    """The kind of source: a project on Read the Docs."""
    slug: str
    """The project's name in its address, e.g. `requests`."""
    version: str = "stable"
    """The version's name there, e.g. `stable` or `v2.32.3`."""
    host: str = "https://readthedocs.org"
    """The service's address, for an installation of one's own."""


class MarkdownSource(LibrarySource):
    """Markdown files: a MkDocs tree, READMEs, guides."""

    kind: Literal["markdown"] = "markdown"
    """The kind of source: Markdown files."""
    path: str
    """A file or a folder."""
    include: tuple[str, ...] = ("**/*.md",)
    """Files to read, as patterns below the folder."""
    written: bool = False
    """Whether the snippets were written for this purpose rather than taken from the library; marked in the records."""


class StackExchangeSource(LibrarySource):
    """Questions and answers of a Stack Exchange site."""

    kind: Literal["stackexchange"] = "stackexchange"
    """The kind of source: a Stack Exchange data dump or answers of its API."""
    path: str
    """`Posts.xml` of a data dump, or a JSON file (or a folder of them) as the API answers."""
    site: str = "stackoverflow.com"
    """The site's host, for the links to posts that say nothing of it themselves, as those of a dump."""
    tags: tuple[str, ...] = Field(min_length=1)
    """Questions with any of these tags are read, e.g. `pandas`."""
    min_score: int = 1
    """Lowest score of an answer that is read."""
    accepted_only: bool = False
    """Whether only accepted answers are read; else the accepted one, or the one with the best score."""


class GitHubSource(LibrarySource):
    """Closed issues and discussions of GitHub repositories."""

    kind: Literal["github"] = "github"
    """The kind of source: issues and discussions as JSON."""
    path: str
    """A JSON or JSON-lines file, or a folder of them, as the REST API answers or `gh` exports."""


class JsonlSource(LibrarySource):
    """Records of one's own."""

    kind: Literal["jsonl"] = "jsonl"
    """The kind of source: records as JSON lines."""
    path: str
    """A file, or a folder of .jsonl files, with `instruction`, `input` (optional) and `output`."""


AnySource = Annotated[
    PackageSource
    | SphinxSource
    | ReadTheDocsSource
    | MarkdownSource
    | StackExchangeSource
    | GitHubSource
    | JsonlSource,
    Field(discriminator="kind"),
]


class Filters(SettingsPart):
    """What a record must be like to be kept."""

    min_characters: int = Field(default=50, ge=1)
    """Shortest answer that is kept, in characters."""
    max_characters: int = Field(default=2000, ge=1)
    """Longest answer that is kept, in characters."""
    similarity: float = Field(default=0.85, gt=0, le=1)
    """Estimated Jaccard similarity of word 3-grams above which two records are near duplicates."""
    records_a_code: int = Field(default=2, ge=1)
    """Records that one piece of code may be in."""
    records_a_symbol: int = Field(default=6, ge=1)
    """Records that one symbol may have."""
    max_kind_share: float = Field(default=0.5, gt=0, le=1)
    """Largest share of the records that one kind of question may have."""


class Verification(SettingsPart):
    """How the code of records is run."""

    seconds: float = Field(default=10.0, gt=0)
    """Wall-clock time that one example may take."""
    memory_mb: int = Field(default=2048, ge=64)
    """Memory that one example may use, in MB."""
    workers: int = Field(default=0, ge=0)
    """Examples that run at once; 0 takes one a processor."""
    allow_mere_limits: bool = False
    """Whether code is run under mere resource limits where nothing contains it on this machine."""
    httpbin: bool = True
    """Whether examples that name httpbin.org get a httpbin on the loopback interface in its place."""


class Teacher(SettingsPart):
    """A model that rewrites questions and prose; code and output stay what was verified."""

    url: str = ""
    """Address of an OpenAI-compatible endpoint, e.g. `http://127.0.0.1:8642/v1`; empty for no teacher."""
    model: str = ""
    """The model's name there; empty takes the first that it lists."""
    key_variable: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the endpoint's key."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the records that are rewritten."""
    dollars_per_million_in: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens, for the count of the cost."""
    dollars_per_million_out: float = Field(default=0.0, ge=0)
    """Price of a million generated tokens."""
    max_dollars: float = Field(default=5.0, ge=0)
    """Cost at which rewriting stops; what was not rewritten stays as it is."""


class Grounded(SettingsPart):
    """Records with documentation before the question, as the appliance puts it there."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Share of the records trained on that have some. The recipe's `sequence_length` has to have room for it."""
    missing: float = Field(default=0.2, ge=0, lt=1)
    """Share of those that are made to ask for what doesn't exist; their answer says so."""
    passages: int = Field(default=3, ge=1, le=20)
    """How many passages at most."""
    characters: int = Field(default=1200, ge=100)
    """How long they may be together; a token is about three characters of them."""


class CurationSettings(SettingsPart):
    """How documentation becomes a dataset."""

    sources: tuple[AnySource, ...] = Field(default=(), min_length=1)
    """Where the documentation comes from; at least one `[[curation.sources]]`."""
    filters: Filters = Filters()
    """What a record must be like to be kept."""
    verification: Verification = Verification()
    """How the code of records is run."""
    grounded: Grounded = Grounded()
    """Records with documentation before the question."""
    teacher: Teacher = Teacher()
    """A model that rewrites questions and prose."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the records that are held out for the evaluation, split by symbol and code."""
    max_share: float = Field(default=0.4, gt=0, lt=1)
    """Largest share of the records that one library may have, where there are three or more."""
    max_records: int = Field(default=0, ge=0)
    """Records that are kept at most, the best balanced ones; 0 for no bound."""
    seed: int = 0
    """Chooses among equals: phrasings, mutations, which records stay."""
