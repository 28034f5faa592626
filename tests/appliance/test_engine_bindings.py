from __future__ import annotations

import subprocess
import sys


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_engine_is_imported_without_what_it_has_no_use_for() -> None:
    _run(
        "import sys, appliance.engine.expert\n"
        "assert 'llama_cpp.llama_cpp' in sys.modules\n"
        "assert not {'numpy', 'llama_cpp.llama', 'llama_cpp.llama_chat_format'} & set(sys.modules)"
    )


def test_whoever_wants_the_whole_package_has_it() -> None:
    _run(
        "import appliance.engine.backend, llama_cpp\n"
        "assert llama_cpp.Llama and llama_cpp.__version__\n"
        "from llama_cpp.llama_chat_format import Jinja2ChatFormatter\n"
        "from appliance.engine.bindings import native\n"
        "assert native is llama_cpp.llama_cpp and llama_cpp.llama_decode is native.llama_decode"
    )
