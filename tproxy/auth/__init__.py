"""Credentials for providers. A signed request exists only on its way out."""
