"""The served file of a bundle: held to the manifest, and loaded onto where there is room for it.

llama.cpp leaves the interpreter alone while it reads a file, so this begins before anything else, on a thread of its
own, and whoever waits imports and opens the rest meanwhile. Knows nothing about prompts, engines or HTTP.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from appliance.engine.backend import Device, computing_backend, idle_backends, loaded_backends
from appliance.engine.checked import checked_digest
from appliance.engine.model import Model
from appliance.engine.offload import Plan, plan, shape_of
from appliance.settings import ApplianceSettings
from bundle.errors import BundleError, ServerError
from bundle.manifest import Manifest, ModelFile, load_manifest

log = logging.getLogger(__name__)


class Weights:
    """A file that is being loaded."""

    def __init__(self, bundle: Path, settings: ApplianceSettings, cache_dir: Path) -> None:
        """Check the served file against the manifest, and begin to load it.

        Raises:
            BundleError: the bundle is incomplete, damaged or has no such quantisation.
            ServerError: llama.cpp was built for a GPU, finds none, and that isn't allowed.
        """
        self.manifest = load_manifest(bundle)
        self.file = self.manifest.model(settings.quantisation)
        self.digest = _check(bundle, self.manifest, self.file, cache_dir)
        path = bundle / self.file.file
        self.devices: list[Device] = loaded_backends()
        self.offload = _offload(path, settings, self.devices)
        self.layers = self.offload.layers if self.offload else 0
        """How many of the model's layers are on the GPU."""
        self.backend = computing_backend(self.devices, self.layers)
        """The name of what computes."""
        loader = ThreadPoolExecutor(1, thread_name_prefix="weights")
        self._loading: Future[Model] = loader.submit(Model, path, self.layers)
        loader.shutdown(wait=False)

    @property
    def processor(self) -> str:
        """The processor's name."""
        return next((device.description for device in self.devices if not device.gpu), "")

    def model(self) -> Model:
        """The loaded model; waits for it.

        Raises:
            BundleError: llama.cpp can't load it.
        """
        return self._loading.result()


def _check(bundle: Path, manifest: Manifest, file: ModelFile, cache_dir: Path) -> str:
    """The digest of the served file, after it was found to be the sealed one, and the template likewise."""
    path = bundle / file.file
    sealed = manifest.files.get(file.file)
    if sealed is None or not path.is_file():
        raise BundleError(f"{path}: missing from the bundle; convert or copy it anew")
    if checked_digest(path, cache_dir) != sealed:
        raise BundleError(f"{path}: not the file that was sealed; convert or copy it anew")
    if manifest.template.digest != manifest.template_digest:
        raise BundleError(f"{bundle}: the prompt template is not the one that was sealed; convert anew")
    return sealed


def _offload(path: Path, settings: ApplianceSettings, devices: list[Device]) -> Plan | None:
    """What goes onto the GPU; None where there is none, or nothing is to.

    Raises:
        ServerError: llama.cpp was built for a GPU, finds none, and that isn't allowed.
    """
    if settings.gpu_layers in ("none", 0):
        return None
    free = sum(device.memory_free for device in devices if device.gpu)
    idle = idle_backends(devices)
    if not free and idle and not settings.allow_cpu:
        raise ServerError(
            f"llama.cpp was built for {', '.join(idle)} but finds no such device; see `boffin doctor`, or set "
            "appliance.gpu_layers to none or appliance.allow_cpu to true to run on the processor"
        )
    if not free:
        return None
    cells = settings.memory or settings.slots * settings.context
    found = plan(shape_of(path), settings.gpu_layers, cells, settings.kv_type, free)
    log.info("offload: %s", found.describe())
    return found
