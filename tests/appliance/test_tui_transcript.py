"""The conversation as data."""

from __future__ import annotations

from appliance.tui.transcript import Transcript, last_code_block


def test_a_question_without_an_answer_is_not_sent_again() -> None:
    transcript = Transcript()
    transcript.ask("one").answer = "1"
    transcript.ask("lost")
    transcript.ask("two")
    assert transcript.messages() == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
    ]
    assert Transcript().messages() == []


def test_the_newest_code_block_is_found() -> None:
    transcript = Transcript()
    assert transcript.last_code() == ""
    transcript.ask("one").answer = "```python\na\n```\n\ntext\n\n- item\n  ```sh\n  b\n  ```\n"
    transcript.ask("two").answer = "No code, only `inline`."
    assert transcript.last_code() == "b\n"
    transcript.ask("three").answer = "Unfinished:\n\n~~~\nc\nd"
    assert transcript.last_code() == "c\nd"
    assert last_code_block("    indented\n") == "indented\n"
