"""`boffin check`: one's own code against a bundle's table."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from boffin.cli import app
from bundle.manifest import Manifest, ModelFile, seal
from bundle.template import PromptTemplate
from symbols.introspect import walk_packages

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows what exists in json."""
    folder = tmp_path_factory.mktemp("bundle")
    walk = walk_packages(["json", "builtins"])
    for _ in walk:
        pass
    walk.table.save(folder / "symbols.json")
    (folder / "m.gguf").write_bytes(b"x")
    template = PromptTemplate(source="x")
    model = ModelFile(file="m.gguf", quantisation="Q8_0", bytes=1)
    seal(
        folder,
        Manifest(
            name="m", base_model="m", template=template, template_digest=template.digest, llama_cpp="1", models=[model]
        ),
    )
    return folder


def test_findings_have_their_place_and_the_nearest_name(knowing: Path, tmp_path: Path) -> None:
    code, page = tmp_path / "a.py", tmp_path / "b.md"
    code.write_text("import json\n\njson.dumpz([])\n")
    page.write_text("# Page\n\n```python\nimport json\njson.lods('1')\n```\n\n```python\nprint(1)\n```\n")
    result = RUNNER.invoke(app, ["check", str(code), str(page), "--bundle", str(knowing)])
    assert result.exit_code == 1
    assert f"{code}:3: json.dumpz does not exist; did it mean json.dump?" in result.output
    assert f"{page}:5: json.lods does not exist; did it mean json.loads?" in result.output
    code.write_text("import json\njson.dumps([])\n")
    result = RUNNER.invoke(app, ["check", str(code), "--bundle", str(knowing)])
    assert (result.exit_code, "0 findings in 1 files" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("data", "says"), [(b"if x\n", "a.py:1: not Python"), (b"\xff\xfe", "not UTF-8"), (None, "can't be read")]
)
def test_what_cannot_be_checked_is_one_line(knowing: Path, tmp_path: Path, data: bytes | None, says: str) -> None:
    file = tmp_path / "a.py"
    if data is not None:
        file.write_bytes(data)
    result = RUNNER.invoke(app, ["check", str(file), "--bundle", str(knowing)])
    assert says in str(result.exception) and "\n" not in str(result.exception)
