"""Ctrl+C during training: the first saves a checkpoint after the step and stops the run, a second ends it at once.

With several processes the launcher's own handling stands: they would not all stop after the same step. Knows nothing
about what is saved.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bundle.errors import Interrupted


class Interruption(TrainerCallback):
    """Takes note of Ctrl+C and stops the run between two steps."""

    def __init__(self, processes: int) -> None:
        """`processes` is how many train together."""
        self._alone = processes == 1
        self._asked = False
        self._stopped = ""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch for Ctrl+C while the block runs.

        Raises:
            Interrupted: the run was stopped by it, and saved; the line says how to go on.
        """
        if not self._alone or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        if self._stopped:
            raise Interrupted(self._stopped)

    def _note(self, *_: object) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The stream itself may be in the middle of a write that this signal interrupted.
        os.write(sys.stderr.fileno(), b"\n  saving after this step; Ctrl+C again ends at once\n")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Save and stop, unless this was the last step anyway."""
        if self._asked and not control.should_training_stop:
            control.should_save = control.should_training_stop = True
            self._stopped = (
                f"training was stopped after step {state.global_step} of {state.max_steps} and saved; "
                "run the same command again to go on from there"
            )
        return control
