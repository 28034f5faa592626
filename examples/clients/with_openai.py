"""OpenAI's package: the models, a chat, a stream, a completion, and an answer that keeps to a JSON schema."""

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8639/v1", api_key="none")  # or a key of `boffin keys add`
model = client.models.list().data[0].id
print("model:", model)

question = {"role": "user", "content": "How do I sort an array with numpy?"}
answer = client.chat.completions.create(model=model, messages=[question], max_tokens=60, temperature=0)
print("chat:", answer.choices[0].message.content)

print("stream: ", end="")
for chunk in client.chat.completions.create(model=model, messages=[question], max_tokens=60, stream=True):
    print(chunk.choices[0].delta.content or "", end="")
print()

completion = client.completions.create(model=model, prompt="import numpy as", max_tokens=4, temperature=0)
print("completion:", completion.choices[0].text)

schema = {
    "type": "object",
    "properties": {"function": {"type": "string", "maxLength": 40}, "in_place": {"type": "boolean"}},
    "required": ["function", "in_place"],
    "additionalProperties": False,
}
answer = client.chat.completions.create(
    model=model,
    messages=[question],
    max_tokens=60,
    temperature=0,
    response_format={"type": "json_schema", "json_schema": {"name": "found", "schema": schema, "strict": True}},
)
print("JSON:", answer.choices[0].message.content)
