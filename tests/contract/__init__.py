"""Recorded provider traffic through the whole proxy: nothing is lost on the way."""
