"""Configuration: files, environment and flags to complete, checked values.

`load` reads a file, `discover` finds what `tproxy up` can serve without one, and
`render_init` writes that down as a file to start from.
"""

from tproxy.settings.discovery import discover, render_init
from tproxy.settings.nearby import nearby
from tproxy.settings.reader import load
from tproxy.settings.settings import (
    ECHO_URL,
    Backend,
    Discovery,
    Overrides,
    ServerSettings,
    Settings,
    StateSettings,
)

__all__ = [
    "ECHO_URL",
    "Backend",
    "Discovery",
    "Overrides",
    "ServerSettings",
    "Settings",
    "StateSettings",
    "discover",
    "load",
    "nearby",
    "render_init",
]
