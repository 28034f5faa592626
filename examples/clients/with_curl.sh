# curl: the models, an answer, and a stream.
set -e
curl -sS http://127.0.0.1:8639/v1/models
echo
curl -sS http://127.0.0.1:8639/v1/chat/completions -H 'Content-Type: application/json' \
  -d '{"messages": [{"role": "user", "content": "How do I sort an array?"}], "max_tokens": 40, "temperature": 0}'
echo
curl -sSN http://127.0.0.1:8639/v1/completions -H 'Content-Type: application/json' \
  -d '{"prompt": "import numpy as", "max_tokens": 4, "temperature": 0, "stream": true}'
