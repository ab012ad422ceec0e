"""Asks candidates until one has begun to answer, then hands its answer on."""
