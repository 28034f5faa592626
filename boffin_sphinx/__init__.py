"""A Sphinx extension: the panel that asks a Boffin server, on every page of the documentation.

    extensions = ["boffin_sphinx"]
    boffin_url = "https://expert.example.org"    # where the server is; a folder of the documentation's own host does
    boffin_key = "boffin-…"                      # a public key, where the server has keys
    boffin_title = "Ask the docs"                # what the button says

It adds one script and knows nothing else of Boffin, so that documentation builds without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx, which calls this."""
    app.add_config_value("boffin_url", "", "html", types=(str,))
    app.add_config_value("boffin_key", "", "html", types=(str,))
    app.add_config_value("boffin_title", "", "html", types=(str,))
    app.connect("builder-inited", _add_panel)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def script_address(url: str, key: str = "", title: str = "") -> str:
    """The address of the panel's script at a server's root, with what it is to be told.

    Raises:
        ConfigError: the root is no web address.
    """
    from sphinx.errors import ConfigError

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"boffin_url is {url!r}, which is no address of a server; write https://expert.example.org")
    told = {name: value for name, value in (("key", key), ("title", title)) if value}
    return f"{url.rstrip('/')}/panel.js" + (f"?{urlencode(told)}" if told else "")


def _add_panel(app: Sphinx) -> None:
    if app.builder.format == "html":
        config = app.config
        app.add_js_file(
            script_address(config.boffin_url, config.boffin_key, config.boffin_title), loading_method="defer"
        )
