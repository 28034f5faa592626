"""The candidates of an evaluation, and the servers of those that are this project's.

All of one quantisation, that which the tuned one serves by default unless the settings name another: what is compared
is the training, not the rounding. Only candidates that are listed as such have another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from appliance.launch import LocalServer
from appliance.settings import AnswerCache, Checking
from boffin.artefacts import BASE_BUNDLE, BUNDLE
from boffin.evaluation_stage import recorded_file
from boffin.project import Project
from bundle.errors import SettingsError
from bundle.manifest import load_manifest
from bundle.passages import DOCUMENTATION
from bundle.stage import Progress
from evaluation.candidate import Candidate, Recording, Remote, Served
from evaluation.candidate_settings import ALL, EVERYTHING, EndpointCandidate, QuantisedCandidate, RecordedCandidate
from evaluation.cost.case import Hosted

OWN = {"base": BASE_BUNDLE, "tuned": BUNDLE}
"""The two that are always compared, and their artefacts."""


@contextmanager
def served_candidates(project: Project, bundles: Mapping[str, str], progress: Progress) -> Iterator[list[Candidate]]:
    """Serve each bundle (candidate's name → artefact) without its answer cache; yields the candidates.

    Raises:
        BundleError: a bundle isn't there or damaged.
        ServerError: a server doesn't start.
    """
    with ExitStack() as stack:
        candidates = []
        for name, artefact in bundles.items():
            progress(f"starting {name}")
            candidate = _own(project, name, artefact)
            assert candidate.serve
            candidates.append(replace(candidate, url=stack.enter_context(candidate.serve()).url, serve=None))
        yield candidates


def all_candidates(project: Project) -> list[Candidate]:
    """Base, tuned, tuned as it is shipped where that repairs, and what the settings list; nothing is started yet.

    Raises:
        BundleError: a bundle isn't there or damaged, or lacks a type.
        SettingsError: a key's variable isn't set.
    """
    settings = project.settings.evaluation
    found = [_own(project, name, artefact) for name, artefact in OWN.items()]
    shipped = (QuantisedCandidate(repair=True),) if project.settings.appliance.checking.policy == "repair" else ()
    for one in (*shipped, *(EVERYTHING if settings.all_candidates else ()), *settings.candidates):
        if isinstance(one, QuantisedCandidate):
            own = _variants(project, one)
            known = {candidate.name for candidate in found}
            found += [candidate for candidate in own if candidate.name not in known]
        elif isinstance(one, EndpointCandidate):
            found.append(_remote(project, one))
        else:
            found.append(_recorded(project, one))
    return found


def _own(project: Project, name: str, artefact: str, quantisation: str = "", *, routed: bool = True) -> Candidate:
    folder = project.workspace.path(artefact).resolve()
    manifest = load_manifest(folder)
    model = manifest.model(quantisation or _usual(project))
    settings = project.settings.appliance.model_copy(
        update={
            "cache": AnswerCache(enabled=False),
            "checking": Checking(policy="flag"),  # what a repair does isn't the model's doing: it has its own candidate
            "speculation": "off",  # whether it pays depends on the machine, and speeds are compared
            "slots": project.settings.evaluation.concurrency,
            "quantisation": model.quantisation,
            "routing": routed and project.settings.appliance.routing,
        }
    )

    @contextmanager
    def serve() -> Iterator[Served]:
        with LocalServer(folder, settings, project.workspace.path("cache")) as server:
            yield Served(server.url, server.peak_memory)

    enabled = settings.grounding.enabled
    return Candidate(
        name,
        "",
        manifest.name,
        model.quantisation,
        model.bytes,
        weights=f"{manifest.digest} {model.file}",  # references are scored without the adapters for libraries
        reads=DOCUMENTATION in manifest.files and (manifest.reading is not None if enabled is None else enabled),
        trained=bool(manifest.adapter_digest),
        serve=serve,
    )


def _usual(project: Project) -> str:
    """The type that the tuned one serves."""
    manifest = load_manifest(project.workspace.path(BUNDLE).resolve())
    return manifest.model(project.settings.appliance.quantisation).quantisation


def _variants(project: Project, listed: QuantisedCandidate) -> list[Candidate]:
    """The candidates of one entry; that which is compared anyway isn't among them."""
    artefact, usual = OWN[listed.of], _usual(project)
    have = [model.quantisation for model in load_manifest(project.workspace.path(artefact).resolve()).models]
    types = have if ALL in listed.types else listed.types or [usual]
    found = []
    for quantisation in types:
        candidate = _own(project, listed.of, artefact, quantisation, routed=listed.routed)
        parts = [
            listed.of,
            candidate.quantisation if candidate.quantisation != usual else "",
            "greedy" if listed.greedy else "",
            "" if listed.system_prompt else "no prompt",
            {None: "", True: "reading", False: "from memory"}[listed.documentation],
            "" if listed.routed else "alone",
            "repaired" if listed.repair else "",
        ]
        name = " ".join(part for part in parts if part)
        system = None if listed.system_prompt else ""
        candidate = replace(candidate, name=name, greedy=listed.greedy, system=system)
        found.append(replace(candidate, grounding=listed.documentation, repair=listed.repair))
    return found


def _remote(project: Project, listed: EndpointCandidate) -> Candidate:
    variable = listed.key_variable
    if variable and not os.environ.get(variable):
        raise SettingsError(
            f"evaluation.candidates: {listed.name}: the variable {variable} isn't set; put the endpoint's key into it"
        )
    prompt, answer = listed.usd_a_million_prompt_tokens, listed.usd_a_million_answer_tokens
    price = None if prompt is None or answer is None else Hosted(listed.name, prompt, answer)
    return Candidate(
        listed.name,
        listed.url,
        listed.model,
        system=(project.settings.project.system_prompt or None) if listed.system_prompt else None,
        greedy=listed.greedy,
        trained=False,
        remote=Remote(os.environ.get(variable, ""), price),
    )


def _recorded(project: Project, listed: RecordedCandidate) -> Candidate:
    path = recorded_file(project, listed)
    return Candidate(listed.name, "", f"answers from {path.name}", recording=Recording(path, listed.candidate))
