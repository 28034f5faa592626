"""What each sampling setting does to an answer, and what is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np
import pytest

from appliance.engine.errors import InvalidRequest
from appliance.engine.expert import Expert
from appliance.engine.json_grammar import MAX_DEPTH, grammar_of
from appliance.engine.request import Failed, Finished, Piece, SamplingParams
from appliance.engine.sampler import Sampler


def _answer(expert: Expert, prompt: str, **options: Any) -> tuple[list[int], str, Finished]:
    settings = {"max_tokens": 12, "temperature": 0.0, "repeat_penalty": 1.0, "logprobs": 0} | options
    events = list(expert.engine.generate(expert.request(expert.text_prompt(prompt), **settings)))
    assert isinstance(events[-1], Finished), events[-1]
    pieces = [event for event in events if isinstance(event, Piece)]
    tokens = [piece.score.token for piece in pieces if piece.score]
    return tokens, "".join(piece.text for piece in pieces), events[-1]


def test_top_k_and_min_p_leave_only_the_likeliest_token(expert: Expert) -> None:
    greedy, _, _ = _answer(expert, "The capital of France is", max_tokens=6)
    hot = {"temperature": 3.0, "top_p": 1.0, "max_tokens": 6}
    assert _answer(expert, "The capital of France is", top_k=1, seed=3, **hot)[0] == greedy
    assert _answer(expert, "The capital of France is", top_k=0, min_p=1.0, seed=3, **hot)[0] == greedy
    assert _answer(expert, "The capital of France is", top_k=0, seed=3, **hot)[0] != greedy


@pytest.mark.parametrize("penalty", [{"frequency_penalty": 20.0}, {"presence_penalty": 20.0}, {"dry_multiplier": 50.0}])
def test_penalties_end_a_loop(expert: Expert, penalty: dict[str, float]) -> None:
    prompt = "red green blue red green blue red green blue red green blue red green"
    (following,) = _answer(expert, prompt, max_tokens=1)[0]
    assert expert.model.piece(following) == b" blue"
    assert _answer(expert, prompt, max_tokens=1, **penalty)[0] != [following]


def test_a_bias_forbids_and_forces(expert: Expert) -> None:
    (first,) = _answer(expert, "The capital of France is", max_tokens=1)[0]
    assert _answer(expert, "The capital of France is", max_tokens=1, logit_bias=((first, -math.inf),))[0] != [first]
    assert _answer(expert, "The capital of France is", max_tokens=3, logit_bias=((5000, 1000.0),))[0] == [5000] * 3


def test_an_answer_matches_its_grammar_and_ends_with_it(expert: Expert) -> None:
    grammar = 'root ::= word ("-" word){2}\nword ::= [a-f]{3,5}'
    for options in ({"temperature": 0.0}, {"temperature": 2.0, "seed": 5, "repeat_penalty": 1.1}):
        _, text, finished = _answer(expert, "Say something.", max_tokens=40, grammar=grammar, **options)
        assert re.fullmatch(r"[a-f]{3,5}(-[a-f]{3,5}){2}", text)
        assert finished.reason == "stop"


def test_a_grammar_meets_characters_of_several_tokens(expert: Expert) -> None:
    _, text, _ = _answer(expert, "Say something.", max_tokens=40, grammar='root ::= "né" [😀😁]{3}')
    assert re.fullmatch("né[😀😁]{3}", text)


SCHEMA: dict[str, Any] = {
    "$defs": {"colour": {"enum": ["red", 'quo"ted', "back\\slash", "é"]}},
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 8},
        "note": {"type": ["string", "null"], "maxLength": 4},
        "colour": {"$ref": "#/$defs/colour"},
        "sizes": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        'odd "key"\n': {"type": "boolean"},
        "more": {"anyOf": [{"type": "null"}, {"const": {"a": [1, "x"]}}]},
    },
    "required": ["name", "colour", "sizes", 'odd "key"\n', "more"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", range(2))
def test_json_under_a_schema_fits_it(expert: Expert, seed: int) -> None:
    options = {"temperature": 1.5, "seed": seed, "max_tokens": 150}
    _, text, finished = _answer(expert, "Write JSON.", json_schema=SCHEMA, **options)
    assert finished.reason == "stop", text
    value = json.loads(text)
    assert list(value) in (list(SCHEMA["properties"]), SCHEMA["required"])
    assert 1 <= len(value["name"]) <= 8
    assert isinstance(value.get("note"), str | None)
    assert value["colour"] in SCHEMA["$defs"]["colour"]["enum"]
    assert 1 <= len(value["sizes"]) <= 3
    assert all(type(size) is int for size in value["sizes"])
    assert type(value['odd "key"\n']) is bool
    assert value["more"] in (None, {"a": [1, "x"]})


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ({"type": "object", "properties": {"a": {}, "b": {}}}, ["{}", '{"a":1}', '{"b":[]}', '{"a":null, "b":"x"}']),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}, ['{"b":1}', '{"a":-1.5e3,"b":{}}']),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, ["{}", '{"x":true,"y":false}']),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"enum": [1, 2]}]}, ["[null,2]"]),
        ({"type": "array", "maxItems": 0}, ["[]"]),
        ({"items": {"$ref": "#"}, "type": "array"}, ["[]", "[[],[[]]]"]),
        ({"type": "object"}, ['{"a":{"b":[1,"\\u00e9\\n",true]}}']),
        (True, ["0", '"x"', "[{}]"]),
    ],
)
def test_a_schemas_grammar_takes_what_fits(expert: Expert, schema: Any, fits: list[str]) -> None:
    for text in fits:
        json.loads(text)
        sampler = Sampler(SamplingParams(0, 1, 1, grammar=grammar_of(schema)), expert.model, ())
        for character in text:
            logits = np.zeros(expert.model.n_vocab, np.float32)
            (wanted,) = expert.model.tokenize(character)
            logits[wanted] = 1
            assert sampler._matching(logits) == wanted
            native.llama_sampler_accept(sampler._grammar, wanted)
        logits = np.zeros(expert.model.n_vocab, np.float32)
        logits[2] = 1
        assert sampler._matching(logits) == 2, "the end of the answer"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 3}, '"minimum" is not supported'),
        ({"type": "string", "pattern": "^]$"}, '"pattern" is not supported'),
        ({"type": "text"}, "the type"),
        ({"type": ["string", {}]}, "the type"),
        ({"type": "object", "properties": {"a": 5}}, "has 5 where"),
        ({"type": "object", "properties": {"a": {}}, "required": [{}]}, "requires {}"),
        ({"$ref": "https://example.org/x"}, "only its own parts"),
        ({"$ref": "#/nowhere"}, "doesn't have"),
        ({"$ref": "#"}, "nothing but a reference"),
        ({"enum": []}, "enum is a list"),
        ({"type": "array", "minItems": 10**9}, "between 0 and"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "more than its"),
        ({"allOf": [{}, {}]}, "allOf"),
        ([], "where a schema belongs"),
    ],
)
def test_schemas_that_cannot_be_followed_are_refused(schema: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        grammar_of(schema)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_schemas_are_bounded() -> None:
    deep: Any = {"type": "string"}
    for _ in range(MAX_DEPTH + 1):
        deep = {"type": "array", "items": deep}
    wide = {"type": "object", "properties": {str(number): {} for number in range(5000)}}
    value: Any = 0
    for _ in range(100_000):
        value = [value]
    for schema in (deep, wide, {"const": value}):
        with pytest.raises(InvalidRequest, match=r"too (large|deeply)"):
            grammar_of(schema)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_p": 0}, "top_p is 0"),
        ({"min_p": 2}, "min_p is 2"),
        ({"top_k": -1}, "top_k is -1"),
        ({"repeat_penalty": 0}, "repeat_penalty is 0"),
        ({"frequency_penalty": math.inf}, "frequency_penalty is inf"),
        ({"dry_base": 0.5}, "dry_base is 0.5"),
        ({"logit_bias": ((2**30, 1.0),)}, "isn't one of the model's"),
        ({"logit_bias": ((1, math.nan),)}, "is nan"),
        ({"grammar": "root ::= nothing"}, "the grammar can't be read"),
        ({"grammar": 'start ::= "x"'}, "does not contain a 'root'"),
        ({"grammar": 'root ::= root "x"'}, "left recursion"),
        ({"grammar": 'root ::= "x"' + "#" * 100_000}, "too long"),
        ({"grammar": "root ::= " + "(" * 20_000}, "parentheses"),
    ],
)
def test_settings_out_of_range_are_refused_in_a_line(expert: Expert, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        expert.engine.submit(expert.request(expert.text_prompt("x"), **options), lambda event: None)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_grammar_that_leads_nowhere_fails_its_own_request_only(expert: Expert) -> None:
    grammar = 'root ::= "a" [^\\x00-\\U0010FFFF]'
    request = expert.request(expert.text_prompt("x"), max_tokens=5, temperature=0, grammar=grammar)
    last = list(expert.engine.generate(request))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, InvalidRequest)
    assert _answer(expert, "The capital of France is", max_tokens=1)[2].completion_tokens == 1
