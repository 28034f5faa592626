"""Files as a repository on the model hub, made first where there is none.

Creating the repository, the upload and going on after a broken one are huggingface-hub's own. Knows nothing about what
the files hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bundle.errors import HubError


def upload(
    repository: str, files: Callable[[str], Mapping[str, Path]], message: str, *, private: bool, asked: str
) -> str:
    """Upload files to `repository` (`NAME` or `ORG/NAME`) in one commit; returns the repository's address.

    What is public already is never written to unless `private` is false.

    Args:
        repository: its name.
        files: called with the repository's full name, gives each file's name there and where it lies.
        message: the commit's.
        private: whether a new repository is to be private.
        asked: the command or the flag that asked for this, for errors.

    Raises:
        HubError: no token, no right to write, no such name, no network.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    if get_token() is None:
        raise HubError(f"{asked}: not logged in; run `hf auth login`, or set HF_TOKEN to a token that may write")
    api = HfApi()
    try:
        created = api.create_repo(repository, private=private, exist_ok=True)
        if private and not api.model_info(created.repo_id).private:
            raise HubError(
                f"{asked}: {created.repo_id} is there already and public; add --public to upload to it all the same, "
                "or name another"
            )
        operations = [CommitOperationAdd(name, path) for name, path in files(created.repo_id).items()]
        api.create_commit(created.repo_id, operations, commit_message=message)
    except HubError:
        raise
    except HFValidationError as error:
        raise HubError(f"{asked}: {repository!r} can't be a repository's name ({_first_line(error)})") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 401 or isinstance(error, RepositoryNotFoundError):
            remedy = "check the name, or renew your token with `hf auth login`"
        elif status == 403:
            remedy = "take a token that may write, or a name of your own"
        else:
            remedy = "wait a little and push again"
        said = error.server_message or _first_line(error)
        raise HubError(f"{asked}: the hub refuses {repository} ({said}); {remedy}") from None
    except Exception as error:  # a connection that breaks raises whatever the hub client's own HTTP library has for it
        raise HubError(
            f"{asked}: the hub can't be reached ({_first_line(error)}); check the network and push again, "
            "which uploads only what is missing"
        ) from error
    return str(created)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
