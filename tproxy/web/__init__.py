"""The client side: routes, tokens, and errors in OpenAI's envelope."""
