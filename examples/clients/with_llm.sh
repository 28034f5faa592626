# llm (https://llm.datasette.io): the server becomes one of its models.
set -e
cat > "$(dirname "$(llm logs path)")/extra-openai-models.yaml" <<'YAML'
- model_id: boffin
  model_name: pocket
  api_base: http://127.0.0.1:8639/v1
YAML
llm -m boffin -o temperature 0 -o max_tokens 60 'How do I sort an array with numpy?'
llm -m boffin --no-stream -o temperature 0 -o max_tokens 60 'How do I read a CSV file?'
echo 'x = numpy.sort([3, 1, 2])' | llm -m boffin -o temperature 0 -o max_tokens 60 -s 'Explain this code.'
