"""The whole proxy between a real client and a scripted provider, on real sockets."""
