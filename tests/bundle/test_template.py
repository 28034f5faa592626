"""The one prompt template: the text, its halves, and what a hostile one can't do."""

from __future__ import annotations

import pytest

from bundle.errors import TemplateError
from bundle.template import REFERENCE_TEMPLATE, PromptTemplate

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_the_prompt_carries_the_system_message_once() -> None:
    template = PromptTemplate(source=CHATML, system_prompt="Be brief.")
    text = template.render([{"role": "user", "content": "Hi"}])
    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    own = template.render([{"role": "system", "content": "Mine."}, {"role": "user", "content": "Hi"}])
    assert own.count("system") == 1 and "Mine." in own


def test_an_example_is_the_served_prompt_and_the_answer_with_its_end() -> None:
    template = PromptTemplate(source=CHATML, eos_token="<|endoftext|>")
    prompt, answer = template.example("Why?", "Because.")
    assert prompt == template.render([{"role": "user", "content": "Why?"}])
    assert answer == "Because.<|im_end|>"


def test_the_reference_template_ends_with_the_end_token() -> None:
    template = PromptTemplate(source=REFERENCE_TEMPLATE, bos_token="<s>", eos_token="</s>", system_prompt="Answer.")
    prompt, answer = template.example("Why?", "Because.")
    assert prompt == "<s>Answer.\n\n### Question:\nWhy?\n\n### Answer:\n"
    assert answer == "Because.</s>"


def test_a_template_that_changes_answers_is_refused() -> None:
    template = PromptTemplate(source=CHATML.replace("message['content']", "message['content'] | upper"))
    with pytest.raises(TemplateError, match="between its generation prompt and the answer"):
        template.example("Why?", "Because.")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append({}) }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% if %}",
    ],
)
def test_hostile_and_broken_templates_are_one_line(source: str) -> None:
    with pytest.raises(TemplateError) as caught:
        PromptTemplate(source=source).render([{"role": "user", "content": "Hi"}])
    assert "\n" not in str(caught.value)


def test_the_digest_covers_all_that_changes_the_text() -> None:
    one = PromptTemplate(source=CHATML, system_prompt="A")
    assert one.digest == PromptTemplate(source=CHATML, system_prompt="A").digest
    assert one.digest != PromptTemplate(source=CHATML, system_prompt="B").digest
