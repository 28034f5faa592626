"""Serves bundles for the evaluation, each on a free port, for as long as it takes.

All of one quantisation, that which the tuned one serves by default unless the settings name another: what is compared
is the training, not the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from appliance.launch import LocalServer
from appliance.settings import AnswerCache
from boffin.project import Project
from boffin.stages import BUNDLE
from bundle.manifest import load_manifest
from bundle.stage import Progress
from evaluation.candidate import Candidate


@contextmanager
def served_candidates(project: Project, bundles: Mapping[str, str], progress: Progress) -> Iterator[list[Candidate]]:
    """Serve each bundle (candidate's name → artefact) without its answer cache; yields the candidates.

    Raises:
        BundleError: a bundle isn't there or damaged.
        ServerError: a server doesn't start.
    """
    settings = project.settings.appliance
    tuned = load_manifest(project.workspace.path(BUNDLE).resolve()).model(settings.quantisation)
    settings = settings.model_copy(
        update={
            "cache": AnswerCache(enabled=False),
            "slots": project.settings.evaluation.concurrency,
            "quantisation": tuned.quantisation,
        }
    )
    with ExitStack() as stack:
        candidates = []
        for name, artefact in bundles.items():
            folder = project.workspace.path(artefact).resolve()
            manifest = load_manifest(folder)
            model = manifest.model(settings.quantisation)
            progress(f"starting {manifest.name}")
            server = stack.enter_context(LocalServer(folder, settings, project.workspace.path("cache")))
            candidates.append(Candidate(name, server.url, manifest.name, model.quantisation, model.bytes))
        yield candidates
