"""The root of the exception tree. Every error that is the user's to mend is one line.

    BoffinError
    ├── SettingsError       boffin.toml, a BOFFIN_ variable or a flag
    ├── WorkspaceError      the workspace folder: missing, locked, full, not writable
    ├── SourceError         a documentation source that can't be read or is empty
    ├── DatasetError        a dataset that is missing, damaged or too small
    ├── BaseModelError      a base model that is missing or unusable
    ├── RecipeError         a training recipe, or training with it
    ├── HubError            the model hub refuses an upload or can't be reached
    ├── ConvertError        merging, converting, quantising
    ├── BundleError         a bundle that is incomplete or damaged
    ├── TemplateError       a prompt template that can't be rendered
    ├── EvaluationError     a candidate that doesn't answer
    │   └── OpinionError    a judge that doesn't, or verdicts that can't be read; the report is there without them
    ├── SuiteError          a suite of questions that can't be used
    ├── GateError           an expert that is worse than allowed
    ├── ServerError         the local endpoint: doesn't start, doesn't answer
    ├── ConversationError   the file of conversations, or one that is imported
    ├── AttachmentError     a file that a question names
    └── Interrupted         the user stopped the work, which can be taken up again

Messages say what is wrong, where, and what to do. Knows nothing about how they are shown.
"""

from __future__ import annotations

import errno


class BoffinError(Exception):
    """Something that the user can mend; its text is the one line that is shown."""

    exit_code = 1
    """What the command ends with."""


class SettingsError(BoffinError):
    """boffin.toml, a BOFFIN_ variable or a flag has a value that can't be used."""


class WorkspaceError(BoffinError):
    """The workspace folder is missing, locked, full or not writable."""


class SourceError(BoffinError):
    """A documentation source can't be read, or has nothing in it."""


class DatasetError(BoffinError):
    """A dataset is missing, damaged or too small."""


class BaseModelError(BoffinError):
    """A base model is missing or unusable."""


class RecipeError(BoffinError):
    """A training recipe can't be used, or training with it failed."""


class HubError(BoffinError):
    """The model hub refuses an upload, or can't be reached."""


class ConvertError(BoffinError):
    """Merging, converting or quantising failed."""


class BundleError(BoffinError):
    """A bundle is incomplete or damaged."""


class TemplateError(BoffinError):
    """A prompt template can't be rendered."""


class EvaluationError(BoffinError):
    """A candidate can't be evaluated."""


class OpinionError(EvaluationError):
    """A judge can't be asked, or verdicts can't be read; the report is there without them."""


class SuiteError(BoffinError):
    """A suite of questions is missing, or a file of it can't be used."""


class GateError(BoffinError):
    """An expert is worse than allowed, so it isn't published."""


class ServerError(BoffinError):
    """The local endpoint doesn't start or doesn't answer."""


class ConversationError(BoffinError):
    """The file of conversations, or one that is imported, can't be used."""


class AttachmentError(BoffinError):
    """A file that a question names can't go along with it."""


class Interrupted(BoffinError):
    """The user stopped the work with Ctrl+C; the text says how to go on with it."""

    exit_code = 130


_OS_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run the command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run the command again"),
    errno.EACCES: ("permission denied", "check who owns it, or choose another folder with `project.workspace`"),
    errno.EPERM: ("not permitted", "check who owns it, or choose another folder with `project.workspace`"),
    errno.EROFS: ("the file system is read-only", "choose another folder with `project.workspace`"),
}


def explain_os_error(error: OSError, path: object = None) -> str | None:
    """The one line for an operating system error that is the user's to mend, or None.

    `path` is named when the error itself names no file (a failed write does not).
    """
    reason = _OS_REASONS.get(error.errno or 0)
    if reason is None:
        return None
    where = error.filename or path
    return f"{where}: {reason[0]}; {reason[1]}" if where else f"{reason[0]}; {reason[1]}"
