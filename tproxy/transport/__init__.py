"""The upstream side of the network."""
