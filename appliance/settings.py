"""The appliance's part of the settings."""

from __future__ import annotations

from pydantic import Field

from bundle.settings import SettingsPart


class Sampling(SettingsPart):
    """How answers are sampled where a request doesn't say."""

    temperature: float = Field(default=0.3, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus sampling: the share of probability that is kept."""
    repeat_penalty: float = Field(default=1.1, gt=0)
    """Penalty on tokens of the last 64; 1 is none."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest answer, in tokens."""


class AnswerCache(SettingsPart):
    """The disk cache of whole answers."""

    enabled: bool = True
    """Whether the same question with the same settings gives the stored answer."""
    max_megabytes: int = Field(default=256, ge=1)
    """Hard bound on its size on disk; the least recently used answers go first."""


class Preset(SettingsPart):
    """Options of a conversation, under one name."""

    system: str = ""
    """System prompt; empty for the expert's own."""
    temperature: float | None = Field(default=None, ge=0, le=10)
    """0 is greedy; left out, the server's."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Longest answer, in tokens; left out, the server's."""


class ChatSettings(SettingsPart):
    """The chat in the terminal."""

    theme: str = ""
    """Its colours: `boffin`, `boffin-contrast` or one of Textual's themes; empty for what fits the terminal."""
    keys: dict[str, str] = Field(default={})
    """Other keys for its actions, by the ids that the help (F1) shows: `"chat.again" = "ctrl+k,f5"`."""
    phrases: dict[str, str] = Field(default={})
    """Commands of your own: `tests = "Write tests for {}"` makes `/tests`; what follows it goes where `{}` is."""
    presets: dict[str, Preset] = Field(
        default={
            "precise": Preset(temperature=0.0),
            "inventive": Preset(temperature=0.9),
            "brief": Preset(system="Answer with one short code example and at most two sentences.", max_tokens=256),
        }
    )
    """Options that a conversation can be given by name (F6)."""


class ApplianceSettings(SettingsPart):
    """How the expert is served."""

    host: str = "127.0.0.1"
    """Address to listen on. Only loopback addresses are taken."""
    port: int = Field(default=8639, ge=0, le=65535)
    """TCP port to listen on; 0 takes any free one."""
    quantisation: str = ""
    """Which of the bundle's GGUF files is served; empty for the bundle's first."""
    slots: int = Field(default=4, ge=1, le=64)
    """How many answers are generated at once."""
    context: int = Field(default=2048, ge=256)
    """Longest prompt plus answer of one request, in tokens; the memory for `slots` times this is set aside."""
    queue: int = Field(default=64, ge=1)
    """How many requests may wait for a slot; beyond that a request is refused at once."""
    threads: int = Field(default=0, ge=0)
    """Threads for llama.cpp; 0 takes every core that this process may use."""
    gpu_layers: int = Field(default=-1, ge=-1)
    """Layers to offload to a CUDA or Metal device; -1 offloads all, 0 none."""
    sampling: Sampling = Sampling()
    """How answers are sampled where a request doesn't say."""
    cache: AnswerCache = AnswerCache()
    """The disk cache of whole answers."""
    chat: ChatSettings = ChatSettings()
    """The chat in the terminal."""
