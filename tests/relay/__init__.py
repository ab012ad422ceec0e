"""Tests of the relay, through its ports."""
