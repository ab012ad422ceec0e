"""The built-in echo provider: OpenAI's dialect with no model and no key behind it."""
