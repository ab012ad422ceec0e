"""The listening engine: llhttp on asyncio transports, in front of an Application."""
