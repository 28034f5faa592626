"""A JSON schema as a grammar in GBNF: what a model writes under it is JSON that fits the schema.

It takes the part of JSON Schema that a grammar can hold to, and refuses by name what it can't, rather than leave it
out. Objects have their properties in the schema's order and no others, which fits every schema that allows others.
Knows nothing about models or tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from appliance.engine.errors import InvalidRequest

MAX_DEPTH = 32
"""Deepest nesting of a schema."""
MAX_RULES = 2_000
"""Most parts of a schema."""
MAX_COUNT = 1_000
"""Largest `minItems` and its kin."""

_RULES = {
    "value": "object | array | string | number | boolean | null",
    "object": '"{" space ( member ( "," space member )* )? "}" space',
    "member": 'string ":" space value',
    "array": '"[" space ( value ( "," space value )* )? "]" space',
    "string": '"\\"" char* "\\"" space',
    "char": r"""[^"\\\x7F\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} )""",
    "number": 'integer-part ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,2} )? space',
    "integer": "integer-part space",
    "integer-part": '"-"? ( "0" | [1-9] [0-9]{0,15} )',
    "boolean": '( "true" | "false" ) space',
    "null": '"null" space',
    "space": r'| " " | "\n" [ \t]{0,20}',
}
"""The rules that every grammar has; a schema's own are numbered."""
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_SAYS_NOTHING = {
    *("$schema", "$id", "$defs", "definitions", "$comment", "title", "description", "default", "examples", "example"),
    *("deprecated", "readOnly", "writeOnly", "format", "strict", "nullable"),
}
"""Keywords that narrow nothing, or that tell what a schema is made of."""
_OF_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "string": {"minLength", "maxLength"},
}
"""Keywords that narrow a type."""
_ESCAPED = re.compile(r'[\\"\n\r\t]')
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def grammar_of(schema: Any) -> str:
    """The grammar whose `root` is the JSON that fits a schema.

    Raises:
        InvalidRequest: the schema isn't one, is too large, or asks for what a grammar can't hold to.
    """
    try:
        return _Grammar(schema).text()
    except RecursionError:
        raise InvalidRequest("the JSON schema is nested too deeply") from None


class _Grammar:
    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._rules: dict[str, str] = {}
        self._referred: dict[str, str] = {}
        self._count = 0
        self._root = self._rule(schema, 0)

    def text(self) -> str:
        rules = {"root": f"space {self._root}", **_RULES, **self._rules}
        return "\n".join(f"{name} ::= {body}" for name, body in rules.items())

    def _rule(self, schema: Any, depth: int) -> str:
        """The name of the rule of a part of the schema."""
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_RULES:
            raise InvalidRequest(f"the JSON schema is too large: at most {MAX_RULES} parts, {MAX_DEPTH} deep")
        if schema is True or schema == {}:
            return "value"
        if not isinstance(schema, dict):
            raise InvalidRequest(f"the JSON schema has {_short(schema)} where a schema belongs")
        if "$ref" in schema:
            _only(schema, {"$ref"})
            return self._refer(schema["$ref"], depth)
        return self._add(self._body(schema, depth))

    def _body(self, schema: Mapping[str, Any], depth: int) -> str:
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema:
                _only(schema, {keyword})
                parts = _list(schema, keyword)
                if keyword == "allOf" and len(parts) != 1:
                    raise InvalidRequest("the JSON schema's allOf has more than one part, which is not supported")
                return " | ".join(self._rule(part, depth + 1) for part in parts)
        for keyword in ("enum", "const"):
            if keyword in schema:
                _only(schema, {keyword, "type"})
                values = _list(schema, "enum") if keyword == "enum" else [schema["const"]]
                return f"( {' | '.join(_literal(value) for value in values)} ) space"
        kinds = schema.get("type", _implied(schema))
        if kinds is None:
            _only(schema, set())
            return "value"
        kinds = kinds if isinstance(kinds, list) and kinds else [kinds]
        if unknown := [kind for kind in kinds if kind not in _TYPES]:
            raise InvalidRequest(
                f"the JSON schema has the type {_short(unknown[0])}; one of {', '.join(_TYPES)} belongs"
            )
        _only(schema, {"type"}.union(*(_OF_TYPE.get(kind, set()) for kind in kinds)))
        return " | ".join(self._typed(schema, kind, depth) for kind in kinds)

    def _typed(self, schema: Mapping[str, Any], kind: str, depth: int) -> str:
        match kind:
            case "object" if schema.get("properties"):
                return self._object(schema, depth)
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                member = self._add(f'string ":" space {self._rule(schema["additionalProperties"], depth + 1)}')
                return f'"{{" space ( {member} ( "," space {member} )* )? "}}" space'
            case "object" if schema.get("additionalProperties") is False:
                return '"{" space "}" space'
            case "array" if _OF_TYPE["array"] & schema.keys():
                return self._array(schema, depth)
            case "string" if _OF_TYPE["string"] & schema.keys():
                least, most = _counts(schema, "minLength", "maxLength")
                return f'"\\"" char{{{least},{"" if most is None else most}}} "\\"" space'
        return kind

    def _object(self, schema: Mapping[str, Any], depth: int) -> str:
        """An object with the properties that are named; those that aren't required may be left out."""
        properties, required = schema["properties"], schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise InvalidRequest("the JSON schema's properties are an object, and required is a list")
        if missing := [name for name in required if not isinstance(name, str) or name not in properties]:
            raise InvalidRequest(f"the JSON schema requires {_short(missing[0])}, which is none of its properties")
        # From the last to the first: what may follow a property, after one that was written and as the first one.
        after, begun = "", ""
        for name, part in reversed(properties.items()):
            member = self._add(f'{_literal(name)} space ":" space {self._rule(part, depth + 1)}')
            first = f"{member} {after}"
            later = f'"," space {first}'
            if name in required:
                begun, after = self._add(first), self._add(later)
            else:
                begun, after = self._add(_either(first, begun)), self._add(_either(later, after))
        return f'"{{" space {begun} "}}" space'

    def _array(self, schema: Mapping[str, Any], depth: int) -> str:
        if "prefixItems" in schema:
            _only(schema, {"type", "prefixItems", "items"})
            listed = ' "," space '.join(self._rule(item, depth + 1) for item in _list(schema, "prefixItems"))
            return f'"[" space {listed} "]" space'
        item = self._rule(schema.get("items", True), depth + 1)
        least, most = _counts(schema, "minItems", "maxItems")
        if most == 0:
            return '"[" space "]" space'
        more = f'( "," space {item} ){{{max(0, least - 1)},{"" if most is None else most - 1}}}'
        items = f"{item} {more}" if least else f"( {item} {more} )?"
        return f'"[" space {items} "]" space'

    def _refer(self, reference: Any, depth: int) -> str:
        """The rule of another part of the schema, which may be this one again."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise InvalidRequest(f"the JSON schema refers to {_short(reference)}; only its own parts (#/…) are known")
        if reference not in self._referred:
            name = self._referred[reference] = f"ref{len(self._referred)}"
            part = self._schema
            for written in reference.split("/")[1:]:
                step = written.replace("~1", "/").replace("~0", "~")
                if not isinstance(part, dict) or step not in part:
                    raise InvalidRequest(f"the JSON schema refers to {_short(reference)}, which it doesn't have")
                part = part[step]
            self._rules[name] = self._rule(part, depth + 1)
            if self._rules[name] in self._referred.values():
                raise InvalidRequest(f"the JSON schema's {_short(reference)} is nothing but a reference")
        return self._referred[reference]

    def _add(self, body: str) -> str:
        name = f"rule{len(self._rules)}"
        self._rules[name] = body
        return name


def _only(schema: Mapping[str, Any], known: set[str]) -> None:
    for keyword in schema:
        if keyword not in known and keyword not in _SAYS_NOTHING:
            raise InvalidRequest(f"the JSON schema's {_short(keyword)} is not supported here; leave it out")


def _implied(schema: Mapping[str, Any]) -> str | None:
    """The type that a schema's keywords are about, where it doesn't name one."""
    return next((kind for kind, keywords in _OF_TYPE.items() if keywords & schema.keys()), None)


def _list(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    values = schema[keyword]
    if not isinstance(values, list) or not values:
        raise InvalidRequest(f"the JSON schema's {keyword} is a list with something in it")
    if len(values) > MAX_RULES:
        raise InvalidRequest(f"the JSON schema's {keyword} is too long; at most {MAX_RULES} values are taken")
    return values


def _counts(schema: Mapping[str, Any], least: str, most: str) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    for name, value in ((least, low), (most, 0 if high is None else high)):
        if not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
            raise InvalidRequest(f"the JSON schema's {name} is {_short(value)}; it is between 0 and {MAX_COUNT}")
    if high is not None and low > high:
        raise InvalidRequest(f"the JSON schema's {least} is more than its {most}")
    return low, high


def _either(body: str, other: str) -> str:
    # Never an alternative with nothing in it at the end: llama.cpp would read on in the next rule.
    return f"{body} | {other}" if other else f"( {body} )?"


def _literal(value: Any) -> str:
    """A value's JSON as a literal of the grammar."""
    text = json.dumps(value, ensure_ascii=False)
    if not text.isascii():
        text = text if text.encode("utf-8", "replace").decode() == text else json.dumps(value)
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES.get(match[0], "\\" + match[0]), text) + '"'


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:60] + "…"
