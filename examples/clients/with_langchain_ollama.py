"""LangChain's class for Ollama's protocol: an answer, and a stream."""

from langchain_ollama import ChatOllama

chat = ChatOllama(base_url="http://127.0.0.1:8639", model="pocket", temperature=0, num_predict=60)
print("answer:", chat.invoke("How do I sort an array with numpy?").content)
print("stream: ", *(chunk.content for chunk in chat.stream("How do I read a CSV file?")), sep="")
