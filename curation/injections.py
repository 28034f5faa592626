"""Text that speaks to a model rather than to a reader, or that a model or its tooling left behind.

Found are orders to a model (the patterns of prompt injection that https://genai.owasp.org/llmrisk/llm01-prompt-injection/
describes), chat templates' tokens, a model's set phrases about itself, and characters and HTML comments that a reader
doesn't see. Letters are compared in their compatibility form, without invisible characters, emphasis and line breaks.
Knows nothing about drafts; what it does not know by its form, it does not find.
"""

from __future__ import annotations

import re
import unicodedata

_AGENT = r"(?:ai|a\.i\.|llms?|gpt|chatgpt|claude|gemini|copilot|(?:large )?language models?|chat ?bots?|ai \w+)"
_ORDERS = r"(?:instructions?|prompts?|directions|directives|guidelines|orders|system messages?)"
_EARLIER = r"(?:previous|prior|above|preceding|earlier|foregoing|former|original|initial|system)"
_DISMISS = r"(?:ignore|disregard|forget|discard|neglect|override|bypass|do not follow|don't follow|stop following)"

_PHRASES = {
    "an order to a model": (
        rf"\b{_DISMISS} (?:\w+ ){{0,3}}?{_EARLIER} (?:\w+ ){{0,2}}?{_ORDERS}\b",
        rf"\b{_DISMISS} (?:\w+ ){{0,3}}?{_ORDERS} (?:above|before|you (?:were|have|got|had))\b",
        r"\b(?:ignore|disregard|forget) (?:everything|all|anything) (?:that )?(?:above|before|you)\b",
        r"\byou are now (?:dan\b|in (?:developer|debug|jailbreak|god|unrestricted|admin) mode)",
        rf"\byou are (?:now )?(?:an? )?(?:\w+ ){{0,3}}?(?:{_AGENT}|helpful assistant)\b",
        rf"\b(?:act|behave|respond|answer|pretend) (?:as|like|to be|you are) (?:an? )?(?:\w+ )?{_AGENT}\b",
        r"\bfrom now on,? (?:you (?:are|act)|(?:you (?:will|must) )?(?:only |always )?(?:answer|respond|reply)) ",
        r"\b(?:reveal|repeat|print|show|output|leak|disclose|tell me|what (?:is|are)) (?:me )?your (?:\w+ )?"
        r"(?:prompt|instructions)\b",
        r"\brepeat (?:everything|(?:all )?(?:the )?(?:words|text)) above\b",
        rf"\b(?:attention|note|notice|message|instructions?|hint) (?:to|for) (?:\w+ )?(?:{_AGENT}|assistants?)\b",
        rf"\bif you(?: are|'re) an? (?:\w+ )?(?:{_AGENT}|assistant|bot)\b",
        r"\bnew (?:system )?(?:instructions|prompt)(?: follow)?:",
        r"\bdo not (?:tell|inform|mention (?:this|it) to) the user\b",
    ),
    "a leaked prompt": (
        r"\bsystem (?:prompt|message) ?[:=]|\b(?:my|your|hidden|secret) system prompt\b",
        r"\byou are a (?:helpful|friendly|knowledgeable|professional|expert) (?:\w+ )?assistant\b",
    ),
    "a model's set phrase": (
        r"\bas an? (?:ai|artificial intelligence|llm|(?:large )?language model)"
        r"(?:,? i\b|,| (?:language )?model\b| assistant\b)",
        r"\bi(?: am|'m) (?:just |only )?an? (?:\w+ )?(?:ai(?: \w+)?|language model|virtual assistant)\b",
        r"\bi(?: am|'m) (?:chatgpt|claude|gemini|bard|copilot)\b",
        r"\bmy (?:last |latest )?(?:knowledge|training)(?: data)? (?:cut-?off|update|only goes)\b",
        r"\bi (?:can(?:no|')t|am unable to|won't) (?:assist with|fulfill?|comply with) (?:that|this|your|such)\b",
        r"\b(?:certainly|absolutely|sure|of course)! (?:here(?:'s| is| are)|i'd be happy|let's)\b",
    ),
}
_FORMS = {
    "a chat template's token": (
        r"<[|｜][A-Za-z][\w▁ ]{0,40}[|｜]>",
        r"\[/?INST\]|<</?SYS>>|\[/?SYSTEM_PROMPT\]|</?(?:start|end)_of_turn>|</?system[_-](?:prompt|reminder)>",
        r"^ *#{2,4} *(?:Instruction|Response|System|Human|Assistant|User): *$",
    ),
    "a chat's turns": (r"^[ *#>]*(?:Human|User|System)[ *]*:.*\n+[ *#>]*(?:Assistant|AI|ChatGPT|Model)[ *]*:",),
    "a model's set phrase": (r"^ *(?:Regenerate response|ChatGPT said:) *$",),
}
_COMPILED_PHRASES = [(name, re.compile(one)) for name, patterns in _PHRASES.items() for one in patterns]
_COMPILED_FORMS = [(name, re.compile(one, re.MULTILINE)) for name, patterns in _FORMS.items() for one in patterns]
# Every phrase has one of these in it: looking for them first is ten times as fast.
_TELLING = (
    *("instruct", "prompt", "directi", "guideline", "orders", "system message", "ignore ", "disregard ", "forget "),
    *("you are ", "you're ", " ai", "a.i.", "llm", "gpt", "claude", "gemini", "copilot", "language model", "chat"),
    *(" bot", "assist", "from now on", "repeat ", "the user", "bard", "my knowledge", "my training", "my la"),
    *("fulfil", "comply", "! here", "! i'd", "! let's"),
)

_COMMENT = re.compile(r"<!--(.{0,1000}?)(?:-->|\Z)", re.DOTALL)
_IN_COMMENT = re.compile(
    rf"\b(?:{_AGENT}|assistants?|prompts?|instructions?|you (?:must|are|should)|(?:tell|inform) (?:the )?users?"
    r"|(?:respond|reply|answer) (?:with|only|that|by)|(?:always|never) (?:say|recommend|mention|answer|suggest))\b"
)
# Bidirectional overrides and isolates, zero-width space and word joiner, invisible operators, tag characters.
_HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u2060-\u2064\U000e0001-\U000e007f]|(?<=.)\ufeff")
# Joiners are part of emoji and of several scripts, but of no word in Latin letters.
_JOINER = re.compile("[A-Za-z][\u200c\u200d]+[A-Za-z]")
_EMOJI_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0001-\U000e007f]")
_MARKS = str.maketrans(dict.fromkeys("*`~#>", " "))


def leaked_prompt(text: str) -> str:
    """What speaks to a model or comes from one, in a few words with the place; empty where nothing does.

    Args:
        text: prose or code, or both, on any number of lines.
    """
    if hidden := _hidden(text):
        return hidden
    for name, form in _COMPILED_FORMS:
        if match := form.search(text):
            return f"{name}: {match.group(0)[:80]!r}"
    for comment in _COMMENT.finditer(text):
        if match := _IN_COMMENT.search(_plain(comment.group(1))):
            return f"instructions in an HTML comment: {match.group(0)[:80]!r}"
    plain = _plain(text)
    if not any(word in plain for word in _TELLING):
        return ""
    for name, phrase in _COMPILED_PHRASES:
        if match := phrase.search(plain):
            return f"{name}: {match.group(0)[:80]!r}"
    return ""


def _hidden(text: str) -> str:
    if text.isascii():
        return ""
    text = _EMOJI_FLAG.sub("", text)
    match = _HIDDEN.search(text) or _JOINER.search(text)
    if match is None:
        return ""
    character = next(one for one in match.group(0) if not one.isalpha())
    return f"a hidden character: {unicodedata.name(character, f'U+{ord(character):04X}')}"


def _plain(text: str) -> str:
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).replace("’", "'"))
    return " ".join(text.translate(_MARKS).split()).casefold()
