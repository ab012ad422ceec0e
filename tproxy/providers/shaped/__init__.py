"""Images and embeddings in OpenAI's shape, and what their answers have in common."""
