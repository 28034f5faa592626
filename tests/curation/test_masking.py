"""Personal data and secrets are masked, code stays valid, and what merely looks like them is left alone."""

from __future__ import annotations

import ast
import inspect
import time

import numpy
import pandas
import pytest

from bundle.records import Provenance
from curation.draft import Draft
from curation.masking import mask, mask_draft

BODY = "MIIEowIBAAKCAQEAx7Vv3mQfTn1uQ0yZ8rT5bW2kLxJ9pHc4dGsNfEoRiUaYzXqB"
SECRETS = {
    "AWS key": "AKIA" + "Q3EGRIDK7LQ5WZBN",
    "GitHub token": "ghp_" + "a8Kd93LmQ0zXvB71TyRwE5uIoP24sFgHjKlC",
    "Slack token": "xoxb-" + "2413590875-8724913056-kQz8TnWvB2xLpR",
    "OpenAI key": "sk-proj-" + "T3BlbkFJq8Zr5Wk2Lx9VnYc7Hd4M",
    "Anthropic key": "sk-ant-" + "api03-R2d8Kq5ZrWk2Lx9VnYc7Hd4M",
    "Google key": "AIza" + "SyD8f3kQzW1mN7xR5tVbY2cL9pJ4hG6sAeU",
    "Stripe key": "sk_live_" + "51HqLyjWDarjtT1zdp7dcXyZ",
    "Hugging Face token": "hf_" + "QzWkLxVnYcHdMpRtBgFjSaEuKoIyTw3r5N",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0",
}


@pytest.mark.parametrize(("name", "secret"), SECRETS.items())
@pytest.mark.parametrize(
    "around", ["The key is {}.", 'key = "{}"', "print('a\\n{}')", "`{}`", "https://x.org/?k={}&b=1"]
)
def test_keys_of_known_forms_are_masked(name: str, secret: str, around: str) -> None:
    masked, names = mask(around.format(secret))
    assert secret[8:] not in masked
    assert names == [name]
    assert mask(masked) == (masked, [])


@pytest.mark.parametrize(
    ("text", "masked", "name"),
    [
        ('password="hunter2!x"', 'password="REDACTED"', "password"),
        ("DB_PASSWORD: Tr0ub4dor&3", "DB_PASSWORD: REDACTED", "password"),
        ('{"api_key": "9f8a7b6c5d4e3f2a1b0c"}', '{"api_key": "REDACTED"}', "secret"),
        ("aws_secret_access_key=wJ4lrXUtnF3MIbK7MDENGbPxRfiCYzq2", "aws_secret_access_key=REDACTED", "secret"),
        ("Authorization: Bearer 8fG7hJ2kL9mN4pQ6rS1t", "Authorization: Bearer REDACTED", "bearer token"),
        ("postgres://anna:Zx81Spectrum@db/", "postgres://anna:REDACTED@db/", "password"),
        ("Write to anna.berg@gmail.com, please.", "Write to user@example.com, please.", "e-mail address"),
        ("<k.mueller@uni-koeln.de>", "<user@example.com>", "e-mail address"),
        ("Call +49 221 470 1234 now.", "Call +1 202-555-0100 now.", "phone number"),
        ("Call (212) 736-5000.", "Call +1 202-555-0100.", "phone number"),
        ("phone: 02217364211", "phone: +1 202-555-0100", "phone number"),
        ("mobile +4915112345678", "mobile +1 202-555-0100", "phone number"),
        ("from 93.184.216.34 at noon", "from 192.0.2.1 at noon", "IP address"),
        ("http://93.184.216.34:80/a", "http://192.0.2.1:80/a", "IP address"),
        ("4539 1488 0343 6467", "0000 0000 0000 0000", "card number"),
        ('number="4539148803436467"', 'number="0000 0000 0000 0000"', "card number"),
        ("/home/annab/data.csv", "/home/user/data.csv", "user name"),
        (r"C:\Users\annab\data.csv", r"C:\Users\user\data.csv", "user name"),
    ],
)
def test_what_is_personal_is_replaced_by_a_stand_in(text: str, masked: str, name: str) -> None:
    assert mask(text) == (masked, [name])
    assert mask(masked) == (masked, [])


@pytest.mark.parametrize(
    "text",
    [
        "c = a@b.mean(axis=0); d = x@y.T; e = u @ v; f = a@b.dot(c)",
        "@functools.lru_cache\n@app.route('/home/page')",
        "me@example.com, you@test.invalid, git@github.com:owner/repository, user@mydomain.com, john.doe@gmail.com",
        "password='secret', token='abc', api_key=YOUR_API_KEY",
        "password=os.environ['PASSWORD'], passwd=getpass.getpass()",
        "token = tokenize.NAME; key = 'value'; secret: str; token: the next token1234",
        "sk-learn, sk-estimator-doc-link, AKIAIOSFODNN7EXAMPLE, sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "127.0.0.1, 10.1.2.3, 192.168.1.1, 203.0.113.7, 8.8.8.8, version 25.30.1.2, pip==23.3.1.7, 1.2.3.4, 300.1.1.1",
        "[4539148803436467 4539148803436468], 0.4539148803436467, 4503599627370496",
        "array([415, 555, 2671]) +49 and -1.25 +3.50 +1.75; 2020-01-01 00:00:00+01:00; 1e+10; x +12 -34 -56",
        "(415) 555-2671 and 212-555-0123 and 978-3-16-148410-0",
        "/home/user/x, /home/username, /Users/Shared, /home/index.html, ~/x, C:/Users/you/x",
        "9e107d9d372bb6826bd81d3542a419d6, da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "https://docs.python.org/3/library/hmac.html?a=1@2, ftp://user:password@host",
    ],
)
def test_what_documentation_makes_up_stays(text: str) -> None:
    assert mask(text) == (text, [])


def test_a_private_key_keeps_its_form_and_loses_its_bytes() -> None:
    text = f'''key = (
    "-----BEGIN RSA PRIVATE KEY-----\\n"
    "{BODY}\\n{BODY}\\n"
    "-----END RSA PRIVATE KEY-----"
)'''
    masked, names = mask_draft(_draft(code=text))
    assert names == ["private key"]
    assert BODY[:20] not in masked.code
    assert ast.literal_eval(masked.code.removeprefix("key = ")).count("REDACTED\n") == 2


def test_code_is_masked_in_strings_and_comments_only_and_stays_valid() -> None:
    code = "\n".join(
        [
            "import numpy as np",
            "a = b = np.eye(2)",
            "c = a@b.de  # ask anna.berg@gmail.com",
            "d = 4539148803436467",
            'send("To:\\nanna.berg@gmail.com\\n", f"{c} from /home/annab/x")',
            "open('C:\\\\Users\\\\annab\\\\x', 'rb')",
            f"connect(token={SECRETS['GitHub token']!r}, data=b'{SECRETS['AWS key']}')",
            "'''Two lines",
            "for ü 93.184.216.34'''",
        ]
    )
    masked, names = mask_draft(_draft(code=code, failing=code))
    ast.parse(masked.code)
    assert masked.code == masked.failing
    assert masked.code.splitlines()[2:6] == [
        "c = a@b.de  # ask user@example.com",
        "d = 4539148803436467",
        'send("To:\\nuser@example.com\\n", f"{c} from /home/user/x")',
        "open('C:\\\\Users\\\\user\\\\x', 'rb')",
    ]
    assert "connect(token='REDACTED', data=b'REDACTED')" in masked.code
    assert masked.code.endswith("for ü 192.0.2.1'''")
    assert set(names) == {"e-mail address", "user name", "GitHub token", "AWS key", "IP address"}


def test_a_draft_is_masked_in_all_its_parts_but_its_provenance() -> None:
    address = "anna.berg@gmail.com"
    draft = _draft(instruction=f"Why {address}?", lead=f"As {address} says.", points=("Yes.", f"No, {address}."))
    masked, names = mask_draft(draft)
    assert names == ["e-mail address"]
    assert address not in masked.instruction + masked.lead + "".join(masked.points)
    assert masked.provenance == draft.provenance
    assert mask_draft(masked) == (masked, [])


def test_code_that_is_no_python_is_masked_too() -> None:
    masked, _ = mask_draft(_draft(code='x = ("anna.berg@gmail.com"'))
    assert masked.code == 'x = ("user@example.com"'


@pytest.mark.parametrize("package", [numpy, pandas, inspect], ids=lambda one: one.__name__)
def test_real_docstrings_stay(package: object) -> None:
    texts = [inspect.getdoc(one) or "" for one in vars(package).values()]
    assert [names for text in texts if (names := mask(text)[1])] == []


@pytest.mark.parametrize(
    "piece", ["a@b.", "eyJaaaaaaaa.", "password: ", "1.1.1.", "+1 23 ", "a.", "://a:", "\\n", "4539 "]
)
def test_hostile_text_takes_no_time(piece: str) -> None:
    began = time.perf_counter()
    mask(piece * (50_000 // len(piece)))
    assert time.perf_counter() - began < 5


def _draft(**changes: object) -> Draft:
    provenance = Provenance(
        source="stackexchange",
        package="numpy",
        version="2",
        symbol="",
        kind="question",
        licence="CC-BY-SA-4.0",
        attribution="answer by anna.berg@gmail.com",
    )
    values = {"instruction": "How?", "lead": "So.", "code": "", "points": (), "provenance": provenance, **changes}
    return Draft(**values)  # type: ignore[arg-type]
