"""The stages: what each reads, what it depends on, and how its room is called.

A room is imported only when its stage runs; what a stage depends on is told without that. Knows nothing about when a
stage has to run: that is build.py's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boffin.artefacts import ADAPTER, BASE, BASE_BUNDLE, BUNDLE, DATASET, PREFERRED, REPORT, SPECIALISTS, tuned
from boffin.base import base_digest, find_base
from boffin.evaluation_stage import FORMAT as EVALUATION_FORMAT
from boffin.evaluation_stage import discard_answers, evaluation_depends, run_evaluation, suite_digest, suite_texts
from boffin.project import Project
from bundle.digests import digest_file, digest_files, digest_value
from bundle.errors import BaseModelError, DatasetError, RecipeError
from bundle.manifest import SYMBOLS, load_manifest
from bundle.passages import DOCUMENTATION
from bundle.records import EVAL, TRAIN
from bundle.stage import Progress, StageResult


@dataclass(frozen=True)
class Stage:
    """One step of the way from documentation to an expert."""

    name: str
    """What `--force` and the summaries call it."""
    artefact: str
    """Its folder in the workspace."""
    format: int
    """Raised by hand when the stage's own code would write something else from the same inputs."""
    reads: tuple[str, ...]
    """The artefacts that it reads."""
    depends: Callable[[Project], Any]
    """What else its result depends on, as a JSON value."""
    run: Callable[[Project, Path, Progress], StageResult]
    """Writes the artefact into an empty folder."""
    content: Callable[[Path], str]
    """The digest of what other stages read of the artefact."""
    discard: Callable[[Project], None] = lambda project: None
    """Removes what an attempt that didn't come to its end left behind to go on from."""

    def applies(self, project: Project) -> bool:
        """Whether the project needs this stage: a base that is a Hugging Face folder already needs no unpacking."""
        if self.artefact == PREFERRED:
            return bool(project.settings.trainer.preferences)
        if self.artefact == SPECIALISTS:
            return bool(project.settings.trainer.specialists)
        return self.artefact != BASE or project.settings.project.base.startswith("package:") or _is_gguf(project)


def _is_gguf(project: Project) -> bool:
    return project.settings.project.base.endswith(".gguf")


def base_folder(project: Project) -> tuple[Path, str]:
    """The base model as a Hugging Face folder, and its hub revision."""
    settings = project.settings.project
    if STAGES[BASE].applies(project):
        return project.workspace.path(BASE).resolve(), ""
    source = find_base(settings.base, settings.revision, project.folder)
    if source.path.is_file():
        raise BaseModelError(f"project.base: {source.path} is a file; its name has to end in .gguf")
    return source.path, source.revision


def _base_digest(project: Project) -> str:
    settings = project.settings.project
    return base_digest(settings.base, settings.revision, project.folder)


def _of_files(*names: str) -> Callable[[Path], str]:
    return lambda folder: digest_value({name: digest_file(folder / name) for name in names})


def _served(folder: Path) -> str:
    return load_manifest(folder).served_digest


def _run_base(project: Project, out: Path, progress: Progress) -> StageResult:
    from trainer.base import materialise_base

    settings = project.settings.project
    source = find_base(settings.base, settings.revision, project.folder)
    materialise_base(source.path, out, progress)
    megabytes = sum(file.stat().st_size for file in out.rglob("*")) / 1e6
    return StageResult(f"{source.path.name}", f"a Hugging Face folder of {megabytes:,.0f} MB")


def _curation_depends(project: Project) -> Any:
    from curation.fingerprint import fingerprint

    settings = project.settings.curation
    return [settings.model_dump(mode="json"), fingerprint(settings, project.folder), suite_digest(project)]


def _run_curation(project: Project, out: Path, progress: Progress) -> StageResult:
    from curation.stage import run

    settings = project.settings.curation
    sources = [
        source.model_copy(update={"python": str(project.folder / Path(source.python).expanduser())})
        if source.python
        else source
        for source in settings.sources
    ]
    settings = settings.model_copy(update={"sources": tuple(sources)})
    cache = project.workspace.path("cache") / "curation"
    return run(settings, project.settings.project.name, project.folder, cache, out, progress, suite_texts(project))


def _trainer_depends(project: Project) -> Any:
    from trainer.recipe import load_recipe

    recipe = load_recipe(project.settings.trainer, project.folder)
    depends = [recipe.model_dump(mode="json"), project.settings.project.system_prompt, _base_digest(project)]
    return [*depends, _ADAPTER_FILES(kept)] if (kept := _kept_adapter(project)) else depends


def _kept_adapter(project: Project) -> Path | None:
    """The adapter that training goes on from, where the project names one."""
    if not (name := project.settings.trainer.adapter):
        return None
    folder = project.folder / Path(name).expanduser()
    if not all((folder / file).is_file() for file in _ADAPTER):
        raise RecipeError(f"{folder}: no adapter there; `trainer.adapter` names the folder with {_ADAPTER[0]}")
    return folder


def run_trainer(
    project: Project, out: Path, progress: Progress, before: Path | None = None, library: str = ""
) -> StageResult:
    """Train an adapter; `before` is the folder of one to go on from, instead of the one that the settings name; with a
    `library` it becomes a specialist of that."""
    before = before or _kept_adapter(project)
    base, _ = base_folder(project)  # a missing base is told before torch is imported
    from trainer.base import base_template
    from trainer.recipe import load_recipe
    from trainer.stage import run

    template = base_template(base, project.settings.project.system_prompt)
    recipe = load_recipe(project.settings.trainer, project.folder)
    dataset = project.workspace.path(DATASET).resolve()
    settings = project.settings.trainer
    checkpoints = _checkpoints(project, library)
    return run(recipe, base, dataset, template, out, progress, checkpoints, settings, before, library)


def _checkpoints(project: Project, library: str = "") -> Path:
    """Where a training run keeps what a later attempt goes on from, if everything that it depends on is the same."""
    stamps = [project.workspace.stamp(name) for name in (DATASET, *([ADAPTER] if library else []))]
    inputs = [STAGES[ADAPTER].format, _trainer_depends(project), *(stamp.content if stamp else "" for stamp in stamps)]
    return project.workspace.path("checkpoints") / digest_value([*inputs, *([library] if library else [])])[:16]


def _discard_checkpoints(project: Project) -> None:
    shutil.rmtree(_checkpoints(project), ignore_errors=True)


def _specialist_depends(project: Project) -> Any:
    trainer = project.settings.trainer
    return [_trainer_depends(project), trainer.specialists, trainer.continuing.model_dump(mode="json")]


def _run_specialists(project: Project, out: Path, progress: Progress) -> StageResult:
    before = project.workspace.path(ADAPTER).resolve()
    notes = []
    for library in project.settings.trainer.specialists:
        folder = out / library
        folder.mkdir()

        result = run_trainer(project, folder, _of(library, progress), before, library)
        notes.append(f"{library}: {result.came_in}; {result.went_out}")
    return StageResult("the adapter", f"{len(notes)} specialists", tuple(notes))


def _of(library: str, progress: Progress) -> Progress:
    def tell(what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        progress(f"{library}: {what}", done, total, unit)

    return tell


def _discard_specialists(project: Project) -> None:
    for library in project.settings.trainer.specialists:
        shutil.rmtree(_checkpoints(project, library), ignore_errors=True)


def _of_specialists(folder: Path) -> str:
    return digest_value({one.name: _ADAPTER_FILES(one) for one in folder.iterdir() if one.is_dir()})


def _preferences(project: Project) -> Path:
    return project.folder / Path(project.settings.trainer.preferences).expanduser()


def _preference_depends(project: Project) -> Any:
    from trainer.preference_recipe import load_preference_recipe

    recipe = load_preference_recipe(project.settings.trainer, project.folder)
    file = _preferences(project)
    if not file.is_file():
        raise DatasetError(f"{file}: no such file; `trainer.preferences` names the file of people's votes")
    return [recipe.model_dump(mode="json"), digest_file(file), _base_digest(project)]


def _run_preference(project: Project, out: Path, progress: Progress) -> StageResult:
    base, _ = base_folder(project)
    from trainer.preference_recipe import load_preference_recipe
    from trainer.preference_stage import run

    settings = project.settings.trainer
    recipe = load_preference_recipe(settings, project.folder)
    adapter, dataset = (project.workspace.path(name).resolve() for name in (ADAPTER, DATASET))
    kept = _preference_checkpoints(project)
    return run(recipe, base, adapter, dataset, _preferences(project), out, progress, kept, settings)


def _preference_checkpoints(project: Project) -> Path:
    stamps = [project.workspace.stamp(name) for name in (ADAPTER, DATASET)]
    inputs = [
        STAGES[PREFERRED].format,
        _preference_depends(project),
        *(stamp.content if stamp else "" for stamp in stamps),
    ]
    return project.workspace.path("checkpoints") / digest_value(inputs)[:16]


def _discard_preference_checkpoints(project: Project) -> None:
    shutil.rmtree(_preference_checkpoints(project), ignore_errors=True)


def _convert_depends(project: Project) -> Any:
    settings = project.settings
    return [
        settings.convert.model_dump(mode="json"),
        settings.project.name,
        _base_digest(project),
        _llama_cpp_version(),
    ]


def _llama_cpp_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:
        return ""


def _run_convert(project: Project, out: Path, progress: Progress) -> StageResult:
    from bundle.template import PromptTemplate

    adapter = project.workspace.path(tuned(project)).resolve()
    template = PromptTemplate.model_validate_json((adapter / "template.json").read_bytes())
    return _convert(project, project.settings.project.name, adapter, template, out, progress)


def _base_bundle_depends(project: Project) -> Any:
    return [_convert_depends(project), project.settings.project.system_prompt]


def _run_base_bundle(project: Project, out: Path, progress: Progress) -> StageResult:
    base, _ = base_folder(project)
    from trainer.base import base_template

    template = base_template(base, project.settings.project.system_prompt)
    return _convert(project, f"{project.settings.project.name}-base", None, template, out, progress)


def _convert(
    project: Project, name: str, adapter: Path | None, template: Any, out: Path, progress: Progress
) -> StageResult:
    from bundle.manifest import Reading
    from convert.stage import run

    settings, grounded = project.settings, project.settings.curation.grounded
    base, revision = base_folder(project)
    dataset = project.workspace.path(DATASET).resolve()
    reading = None
    if grounded.share:
        reading = Reading(passages=grounded.passages, tokens=grounded.characters // _TOKEN)
    named = (settings.convert, name, settings.project.base, revision)
    libraries = settings.trainer.specialists if adapter else ()
    specialists = {library: project.workspace.path(SPECIALISTS).resolve() / library for library in libraries}
    return run(*named, base, adapter, template, dataset, out, progress, reading, specialists)


_TOKEN = 3
"""Characters of documentation, about."""
_DATASET_FILES = _of_files(TRAIN, EVAL, SYMBOLS, DOCUMENTATION)
_ADAPTER = ("adapter_model.safetensors", "adapter_config.json", "template.json")
_ADAPTER_FILES = _of_files(*_ADAPTER)

STAGES = {
    stage.artefact: stage
    for stage in (
        Stage("base", BASE, 1, (), _base_digest, _run_base, lambda folder: digest_value(digest_files(folder))),
        Stage("curate", DATASET, 5, (), _curation_depends, _run_curation, _DATASET_FILES),
        Stage(
            "train",
            ADAPTER,
            2,
            (BASE, DATASET),
            _trainer_depends,
            run_trainer,
            _ADAPTER_FILES,
            _discard_checkpoints,
        ),
        Stage(
            "prefer",
            PREFERRED,
            1,
            (BASE, DATASET, ADAPTER),
            _preference_depends,
            _run_preference,
            _ADAPTER_FILES,
            _discard_preference_checkpoints,
        ),
        Stage(
            "specialise",
            SPECIALISTS,
            1,
            (BASE, DATASET, ADAPTER),
            _specialist_depends,
            _run_specialists,
            _of_specialists,
            _discard_specialists,
        ),
        Stage("convert-base", BASE_BUNDLE, 5, (BASE, DATASET), _base_bundle_depends, _run_base_bundle, _served),
        Stage(
            "convert",
            BUNDLE,
            5,
            (BASE, DATASET, ADAPTER, PREFERRED, SPECIALISTS),
            _convert_depends,
            _run_convert,
            _served,
        ),
        Stage(
            "evaluate",
            REPORT,
            EVALUATION_FORMAT,
            (DATASET, BASE_BUNDLE, BUNDLE),
            evaluation_depends,
            run_evaluation,
            _of_files("report.json"),
            discard_answers,
        ),
    )
}
"""All stages by their artefact, in the order in which they run."""
