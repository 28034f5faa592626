"""Boffin's own themes: dark with one accent colour, and high contrast. Textual's themes stay available beside them."""

from __future__ import annotations

from collections.abc import Collection

from textual.theme import Theme

from bundle.errors import SettingsError

BOFFIN = Theme(
    name="boffin",
    primary="#5ec4b6",
    secondary="#86a8e7",
    accent="#c3a6f2",
    warning="#e2b86b",
    error="#ee7d8b",
    success="#9ccc8a",
    foreground="#d7dce5",
    background="#12151c",
    surface="#191d26",
    panel="#222733",
    dark=True,
    variables={
        "border": "#5ec4b6",
        "border-blurred": "#333a49",
        "footer-background": "#12151c",
        "footer-key-foreground": "#5ec4b6",
        "footer-description-foreground": "#8b93a5",
        "block-cursor-text-style": "none",
        "input-selection-background": "#5ec4b6 30%",
        "scrollbar": "#333a49",
        "scrollbar-hover": "#46506a",
        "scrollbar-active": "#5ec4b6",
        "scrollbar-background": "#12151c",
        "scrollbar-background-hover": "#12151c",
        "scrollbar-background-active": "#12151c",
        "scrollbar-corner-color": "#12151c",
    },
)

CONTRAST = Theme(
    name="boffin-contrast",
    primary="#ffff00",
    secondary="#00ffff",
    accent="#ff00ff",
    warning="#ffff00",
    error="#ff8080",
    success="#80ff80",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    dark=True,
    variables={
        "border": "#ffffff",
        "border-blurred": "#ffffff",
        "text-muted": "#ffffff",
        "footer-background": "#000000",
        "footer-key-foreground": "#ffff00",
        "footer-description-foreground": "#ffffff",
        "block-cursor-foreground": "#000000",
        "block-cursor-background": "#ffff00",
        "input-selection-background": "#0000ff",
        "scrollbar": "#ffffff",
        "scrollbar-background": "#000000",
    },
)
"""White, yellow and black: for eyes and screens that need it."""
PLAIN = "ansi-dark"
"""Textual's theme of the terminal's own 16 colours."""


def fitting(named: str, color_system: str | None, known: Collection[str]) -> str:
    """The theme to begin with: the one that is named, or what the terminal can show.

    Raises:
        SettingsError: there is none of that name.
    """
    if named and named not in known:
        raise SettingsError(f"appliance.chat.theme: no theme is called {named!r}; there are {', '.join(sorted(known))}")
    return named or (PLAIN if color_system == "standard" else BOFFIN.name)
