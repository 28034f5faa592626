"""LangChain's class for OpenAI's protocol: an answer, and a stream."""

from langchain_openai import ChatOpenAI

chat = ChatOpenAI(base_url="http://127.0.0.1:8639/v1", api_key="none", model="pocket", temperature=0, max_tokens=60)
print("answer:", chat.invoke("How do I sort an array with numpy?").content)
print("stream: ", *(chunk.content for chunk in chat.stream("How do I read a CSV file?")), sep="")
