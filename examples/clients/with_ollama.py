"""Ollama's own package: the models, a chat, and a text that goes on."""

from ollama import Client

client = Client(host="http://127.0.0.1:8639")
print("models:", [model.model for model in client.list().models])
options = {"temperature": 0, "num_predict": 60}
reply = client.chat("pocket", [{"role": "user", "content": "How do I sort an array with numpy?"}], options=options)
print("chat:", reply.message.content)
reply = client.generate("pocket", "How do I read a CSV file?", options=options)
print("generate:", reply.response)
