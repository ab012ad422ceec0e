"""What would have become of the requests in a log, under another configuration."""
