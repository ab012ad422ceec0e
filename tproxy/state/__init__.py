"""What is remembered between requests, behind the ports of `core.state`."""
