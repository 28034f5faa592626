"""The command line. Each command imports what it needs inside itself, so that `--help` starts at once.

A user's mistake is one line on standard error and exit code 1; Ctrl+C is exit code 130.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from boffin.bundle_commands import bundles
from boffin.cost_command import cost
from boffin.data_commands import data
from boffin.keys_commands import keys
from boffin.options import HERE, Assignments, Bundle, Folder, Signer, Url
from boffin.plan_command import plan
from boffin.review_command import review
from boffin.serve_commands import batch, serve
from boffin.service_commands import services
from boffin.suite_commands import suites

app = typer.Typer(
    name="boffin",
    help="Turns the documentation of Python libraries into a small expert that answers in your terminal, offline.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Force = Annotated[bool, typer.Option("--force", help="Run it even if nothing has changed.")]
app.add_typer(data, name="data")
app.add_typer(bundles, name="bundle")
app.add_typer(suites, name="suite")
app.add_typer(keys, name="keys")
app.add_typer(services, name="service")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the project is to lie.", metavar="[DIR]")] = HERE,
    template: Annotated[
        str, typer.Option("--template", help="pocket (any CPU), mac (Apple silicon) or workstation (one GPU).")
    ] = "pocket",
) -> None:
    """Write a commented boffin.toml."""
    from boffin.init import write_project

    path = write_project(folder, template)
    typer.echo(f"Wrote {path}. Look it through, then run `boffin build{_in(folder)}`.")


@app.command()
def curate(folder: Folder = HERE, assignments: Assignments = None, force: Force = False) -> None:
    """Turn the documentation into a dataset."""
    _run(folder, assignments, ["dataset"], "curate" if force else "")


@app.command()
def train(
    repository: Annotated[
        str,
        typer.Argument(help="With --push: NAME or ORG/NAME there; else the project's name.", metavar="[REPO]"),
    ] = "",
    folder: Folder = HERE,
    assignments: Assignments = None,
    force: Force = False,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", help="This recipe for this run; one that ends in -dpo learns preferences.", metavar="NAME"
        ),
    ] = "",
    push: Annotated[bool, typer.Option("--push", help="Then upload the adapter to the model hub, privately.")] = False,
    public: Annotated[bool, typer.Option("--public", help="With --push: make a new repository public.")] = False,
) -> None:
    """Fine-tune the base model on the dataset."""
    if (repository or public) and not push:
        raise typer.BadParameter("REPO and --public belong to --push")
    from boffin.training import run_training

    chosen = run_training(folder, assignments or [], recipe, force=force)
    if push:
        from boffin.push import push_adapter

        push_adapter(folder, chosen, repository, private=not public)


@app.command()
def convert(folder: Folder = HERE, assignments: Assignments = None, force: Force = False) -> None:
    """Merge, convert to GGUF, quantise and seal the bundle."""
    _run(folder, assignments, ["base", "base-bundle", "bundle"], "convert" if force else "")


@app.command()
def evaluate(
    folder: Folder = HERE,
    assignments: Assignments = None,
    force: Force = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Compare every type in the bundle, too, greedily, and without the prompt.")
    ] = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Fail where it is worse than what was accepted, or than the limits.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Later runs' gates compare with this one; with --gate only if it passes.")
    ] = False,
) -> None:
    """Compare the tuned model with its base and other candidates, through their endpoints."""
    from boffin.evaluation import evaluate as run

    run(folder, assignments or [], force=force, everything=everything, gate=gate, accept=accept)


app.command()(plan)
app.command()(cost)
app.command()(review)


@app.command()
def build(
    folder: Folder = HERE,
    assignments: Assignments = None,
    force: Annotated[str, typer.Option("--force", help="Start again from this stage.", metavar="STAGE")] = "",
) -> None:
    """Run every stage that is out of date, in order."""
    from boffin.stages import STAGES

    _run(folder, assignments, list(STAGES), force)


@app.command()
def refresh(
    folder: Folder = HERE,
    assignments: Assignments = None,
    force: Annotated[bool, typer.Option("--force", help="Forget what an earlier refresh left; look anew.")] = False,
) -> None:
    """Learn what is new in the documentation; the expert is replaced only if it got no worse."""
    from boffin.refresh import refresh as run

    run(folder, assignments or [], anew=force)


@app.command()
def chat(
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    url: Url = "",
    plain: Annotated[bool, typer.Option("--plain", help="Line by line, without a full screen.")] = False,
    browser: Annotated[bool, typer.Option("--browser", hidden=True)] = False,
) -> None:
    """Chat with the expert in the terminal; what is piped in is put into the first question."""
    from boffin.chat import open_chat

    open_chat(folder, assignments or [], bundle, url, plain=plain, browser=browser)


@app.command()
def web(
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    url: Url = "",
    port: Annotated[int, typer.Option("--port", help="Port of this machine to listen on.")] = 8640,
    public_url: Annotated[str, typer.Option("--public-url", help="Where a proxy with a login shows it.")] = "",
) -> None:
    """Chat with the expert in a browser."""
    from boffin.web import serve_web

    serve_web(folder, assignments or [], bundle, url, port, public_url)


@app.command()
def ask(
    question: Annotated[list[str] | None, typer.Argument(help="The question; standard input is added to it.")] = None,
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
    url: Url = "",
    code: Annotated[bool, typer.Option("-x", "--extract", help="Print only the first code block.")] = False,
    go_on: Annotated[bool, typer.Option("-c", "--continue", help="Go on with the last conversation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: one object, with what it took.")] = False,
    grounding: Annotated[
        bool | None,
        typer.Option("--grounding/--no-grounding", help="Read the documentation before answering, or don't."),
    ] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Cite and list what was read before it.")] = False,
) -> None:
    """Ask one question; the answer goes to standard output."""
    from boffin.ask import Printed, ask_once

    asked = " ".join(question or [])
    printed = Printed(code=code, as_json=as_json, sources=sources)
    ask_once(asked, folder, assignments or [], bundle, url, printed, go_on=go_on, grounding=grounding)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Python files, or Markdown with Python blocks.", metavar="FILE")],
    folder: Folder = HERE,
    assignments: Assignments = None,
    bundle: Bundle = None,
) -> None:
    """Tell what in your own code doesn't exist in the libraries that the expert knows; 1 if there is anything."""
    from boffin.check import check_files

    if check_files(files, folder, assignments or [], bundle):
        raise typer.Exit(1)


app.command()(serve)
app.command()(batch)


@app.command()
def verify(
    bundle: Annotated[
        str,
        typer.Argument(
            help="A bundle's folder, an archive, or - for one on standard input; else the project's bundle.",
            metavar="[BUNDLE]",
        ),
    ] = "",
    folder: Folder = HERE,
    assignments: Assignments = None,
    signer: Signer = None,
) -> None:
    """Check every file of a bundle, wherever it is, and its signature."""
    from boffin.bundles import verify_bundle

    verify_bundle(bundle, folder, assignments or [], signer)


@app.command()
def status(
    folder: Folder = HERE,
    assignments: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: the paths of everything built.")] = False,
) -> None:
    """Show what is built, from what, how old it is, and what is out of date."""
    from boffin.status import show_status

    show_status(folder, assignments or [], as_json)


@app.command()
def models(
    name: Annotated[str, typer.Argument(help="One of them, to see it in full.", metavar="[NAME]")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: all facts, sizes in bytes.")] = False,
) -> None:
    """Show the base models that Boffin knows: size, licence, access, memory, what fits this machine."""
    from boffin.models import show_models

    show_models(name, as_json)


@app.command()
def doctor(folder: Folder = HERE, assignments: Assignments = None) -> None:
    """Check this machine and this project; each line ok, warning or failure, with the remedy."""
    from boffin.doctor import examine

    raise typer.Exit(examine(folder, assignments or []))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"boffin {installed('boffin')}")


def _run(folder: Path, assignments: list[str] | None, artefacts: list[str], force: str) -> None:
    from boffin.run import run_stages

    run_stages(folder, assignments or [], artefacts, force)


def _in(folder: Path) -> str:
    return "" if folder == HERE else f" -C {folder}"


def main() -> None:
    """The console command."""
    gc.set_threshold(20_000)  # what a start makes stays: looking for garbage in it took a tenth of the time
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read us has gone; keep the interpreter from complaining about it while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        from boffin.failure import one_line

        line = one_line(error)
        if line is None:
            raise
        typer.echo(f"boffin: {line}", err=True)
        sys.exit(getattr(error, "exit_code", 1))


if __name__ == "__main__":
    main()
