from __future__ import annotations

from pathlib import Path

import pytest

from bundle.errors import SourceError
from curation.collectors.markdown import MAX_FILE, MarkdownCollector
from curation.entries import Dropped, Entry, Prose, QuestionEntry, SectionEntry, Snippet
from curation.settings import MarkdownSource

GUIDE = """---
title: ignored
---
# The `weir` guide

First *things* first, [here](https://example.org).

## Install {#install}

```console
$ pip install weir
```

Then:

```python title="first.py" hl_lines="1"
import weir
```

!!! note "Mind this"

    Levels are in metres.

    ``` { .py .annotate }
    weir.smooth([1.0])
    ```

=== "Session"

    ```pycon
    >>> 1 + 1
    2
    ```

<div onclick="x()">raw</div> <script>alert(1)</script>

- one <b>bold</b> item
    - a `nested` one

| a | b |
|---|---|
| 1 | 2 |

![picture](a.png)

::: weir.smooth

### Why does it fail?

    x = weir.crest([])

No levels.
"""


def collect(path: Path, **settings: object) -> list[Entry | Dropped]:
    source = MarkdownSource.model_validate({"path": path.name, "packages": ["weir"], "licence": "MIT", **settings})
    return list(MarkdownCollector(source, path.parent).collect())


def test_a_guide(tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text(GUIDE)
    first, install, why = collect(tmp_path / "guide.md", written=True)
    assert isinstance(first, SectionEntry) and isinstance(install, SectionEntry) and isinstance(why, QuestionEntry)
    assert first.headings == ("The weir guide",)
    assert first.content == (Prose(text="First things first, here."),)
    assert first.origin.written and first.origin.licence == "MIT" and first.origin.source == "markdown"
    assert install.headings == ("The weir guide", "Install")
    assert install.origin.url == "guide.md#install"
    assert install.content == (
        Prose(text="Then:"),
        Snippet(source="import weir", form="script"),
        Prose(text="Levels are in metres.", role="note"),
        Snippet(source="weir.smooth([1.0])", form="script"),
        Snippet(source=">>> 1 + 1\n2", form="session"),
        Prose(text="one bold item", role="item"),
        Prose(text="a `nested` one", role="item"),
    )
    assert why.title == "Why does it fail?"
    assert why.answer == (Snippet(source="x = weir.crest([])", form="script"), Prose(text="No levels."))


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "api").mkdir(parents=True)
    (folder / "a.md").write_text("Text without a heading.")
    (folder / "api" / "README.md").write_text("# A\n\nText.")
    (folder / "api" / "skip.txt").write_text("# A\n\nText.")
    (tmp_path / "secret.md").write_text("# Secret\n\nText.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "binary.md").write_bytes(b"\xff\xfe\x00")
    (folder / "null.md").write_bytes(b"a\x00b")
    with (folder / "large.md").open("wb") as handle:
        handle.truncate(MAX_FILE + 1)
    entries = collect(folder)
    assert {one.where: one.code for one in entries if isinstance(one, Dropped)} == {
        "link.md": "unsafe-path",
        "loop.md": "broken-page",
        "binary.md": "broken-page",
        "null.md": "broken-page",
        "large.md": "too-large",
    }
    found = [one for one in entries if isinstance(one, SectionEntry)]
    assert [(one.headings, one.origin.url) for one in found] == [(("a",), "a.md"), (("A",), "api/README.md#a")]
    only = collect(folder, include=["api/*.md"])
    assert len(only) == 1


def test_nothing_to_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, words in {"none": "no such file", "empty": "no Markdown"}.items():
        with pytest.raises(SourceError, match=words):
            collect(tmp_path / name)
    with pytest.raises(SourceError, match="no pattern"):
        collect(tmp_path / "empty", include=["/etc/*"])
