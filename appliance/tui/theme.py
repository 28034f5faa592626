"""Boffin's own theme: dark, with one accent colour. Textual's themes stay available beside it."""

from __future__ import annotations

from textual.theme import Theme

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
