"""The command line, see `interface.md`, "Commands"."""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import tornado

from tproxy import __version__
from tproxy.app import Dialects
from tproxy.core.errors import ConfigError, Fault
from tproxy.core.model import Kind
from tproxy.lifecycle import serve
from tproxy.process import Load, Started
from tproxy.settings import (
    Discovery,
    Overrides,
    ServerSettings,
    Settings,
    discover,
    load,
    nearby,
    render_init,
)
from tproxy.stores import StoreFailed
from tproxy.workers import NoneStarted

OK, FAILED, FAULTY = 0, 1, 2  # exit codes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ConfigError as error:
        print(error, file=sys.stderr)
        count = len(error.faults)
        print(f"{count} fault{'s' if count != 1 else ''}.", file=sys.stderr)
        return FAULTY
    except BrokenPipeError:  # `tproxy init | head`
        sys.stderr.close()
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tproxy",
        description="One OpenAI-compatible endpoint in front of many LLM providers. "
        "With --config it serves; `tproxy up` needs no file.",
        allow_abbrev=False,
    )
    version = (
        f"tproxy {__version__}, Python {platform.python_version()}, "
        f"Tornado {tornado.version}"
    )
    parser.add_argument("-version", "--version", action="version", version=version)
    _file_flags(parser)
    _server_flags(parser)
    parser.set_defaults(run=_serve, config=None, env_file=None, addr=None, workers=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    up = commands.add_parser("up", help="serve what the keys in the environment allow")
    _env_flag(up)
    _server_flags(up)
    up.set_defaults(run=_up)

    check = commands.add_parser(
        "check", help="validate a configuration, fault by fault"
    )
    _file_flags(check)
    check.set_defaults(run=_check)

    init = commands.add_parser(
        "init", help="write a configuration for what `up` serves"
    )
    _env_flag(init)
    init.set_defaults(run=_init)

    look = commands.add_parser("status", help="ask a running proxy what is left")
    look.add_argument(
        "-url", "--url", help="of the proxy; default http://127.0.0.1:8080, or PORT"
    )
    look.add_argument("-json", "--json", action="store_true", help="as it answers")
    _env_flag(look)
    look.set_defaults(run=_status)

    replay = commands.add_parser(
        "simulate", help="replay an access log against a configuration"
    )
    replay.add_argument("-log", "--log", type=Path, metavar="FILE", required=True)
    replay.add_argument("-json", "--json", action="store_true", help="for scripts")
    _file_flags(replay)
    replay.set_defaults(run=_simulate)
    return parser


def _env_flag(parser: argparse.ArgumentParser) -> None:
    said = "variables, NAME=value a line; default .env, then /config/.env"
    _flag(parser, "env-file", "FILE", said, Path)


def _file_flags(parser: argparse.ArgumentParser) -> None:
    _flag(parser, "config", "FILE", "the YAML configuration", Path)
    _env_flag(parser)


def _server_flags(parser: argparse.ArgumentParser) -> None:
    _flag(parser, "addr", "HOST:PORT", ":PORT is every interface")
    _flag(parser, "workers", "N", "processes; default 1", int)


def _flag(
    parser: argparse.ArgumentParser,
    name: str,
    value: str,
    said: str,
    kind: Callable[[str], object] = str,
) -> None:
    """One that a command takes after its name as well as before."""
    names = f"-{name}", f"--{name}"
    unsaid = argparse.SUPPRESS  # or it would undo what was said before
    parser.add_argument(*names, default=unsaid, metavar=value, help=said, type=kind)


def _overrides(arguments: argparse.Namespace) -> Overrides:
    return Overrides(addr=arguments.addr, workers=arguments.workers)


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.config is None:
        print(
            "tproxy: which configuration? Give --config FILE, or run `tproxy up`, "
            "which needs none. `tproxy init` writes one to start from.",
            file=sys.stderr,
        )
        return FAULTY
    read = partial(
        load,
        arguments.config,
        environ=os.environ,
        dialects=Dialects(),
        env_file=arguments.env_file,
        overrides=_overrides(arguments),
    )
    settings = read()
    _warn(settings.warnings)
    return _run(settings, read, _say_nothing)


def _up(arguments: argparse.Namespace) -> int:
    found = discover(
        environ=os.environ,
        dialects=Dialects(),
        env_file=arguments.env_file,
        overrides=_overrides(arguments),
        make_token=lambda: f"tp-{secrets.token_urlsafe(24)}",
    )
    _warn(found.settings.warnings)
    return _run(found.settings, None, partial(_greet, found))


def _check(arguments: argparse.Namespace) -> int:
    if arguments.config is None:
        print("tproxy check: which file? Give --config FILE.", file=sys.stderr)
        return FAULTY
    settings = load(
        arguments.config,
        environ=os.environ,
        dialects=Dialects(),
        env_file=arguments.env_file,
    )
    _warn(settings.warnings)
    print(f"{arguments.config}: good; {_count(settings)}.")
    return OK


def _count(settings: Settings) -> str:
    """How many models there are, and how many make something else than chats."""
    models = len(settings.models)
    kinds = Counter(model.kind.value for model in settings.models)
    rest = [f"{n} {kind}" for kind, n in kinds.items() if kind != Kind.CHAT.value]
    words = f"{models} model{'s' if models != 1 else ''}"
    return f"{words}, {' and '.join(rest)}" if rest else words


def _init(arguments: argparse.Namespace) -> int:
    text = render_init(os.environ, dialects=Dialects(), env_file=arguments.env_file)
    print(text, end="")
    return OK


def _status(arguments: argparse.Namespace) -> int:
    from tproxy import status  # no other command waits for it

    here = nearby(os.environ, arguments.env_file)
    try:
        body = status.ask(arguments.url or here.url, here.token)
        print(body if arguments.json else status.table(body))
    except status.Unanswered as error:
        print(f"tproxy status: {error}.", file=sys.stderr)
        return FAILED
    return OK


def _simulate(arguments: argparse.Namespace) -> int:
    from tproxy.simulation.summary import simulate  # no other command waits for it

    if arguments.config is None:
        print("tproxy simulate: by which file? Give --config FILE.", file=sys.stderr)
        return FAULTY
    settings = load(
        arguments.config,
        environ=os.environ,
        dialects=Dialects(),
        env_file=arguments.env_file,
    )
    _warn(settings.warnings)
    try:
        summary = simulate(arguments.log, settings)
    except OSError as error:
        why = error.strerror or type(error).__name__
        print(f"tproxy simulate: {arguments.log}: {why}.", file=sys.stderr)
        return FAILED
    print(json.dumps(summary.json()) if arguments.json else summary.text())
    return OK


def _place(server: ServerSettings) -> str:
    return server.path or f"{server.host or '*'}:{server.port}"


def _run(settings: Settings, load_again: Load | None, started: Started) -> int:
    try:
        serve(settings, sys.stderr, load_again=load_again, started=started)
    except OSError as error:
        print(
            f"tproxy: cannot listen on {_place(settings.server)}: "
            f"{error.strerror or error}. Another address: --addr HOST:PORT.",
            file=sys.stderr,
        )
        return FAILED
    except StoreFailed as error:
        print(f"tproxy: quotas cannot be counted: {error}.", file=sys.stderr)
        return FAILED
    except NoneStarted:
        print("tproxy: no worker could start; the log says why.", file=sys.stderr)
        return FAILED
    return OK


def _say_nothing(url: str) -> None:
    """With a file, the log's first line says all there is to say."""


def _greet(found: Discovery, url: str) -> None:
    """What a newcomer needs next, ready to paste."""
    settings = found.settings
    words = ["SMALL", "BIG", *(model.name for model in settings.models)]
    categories = {model.category for model in settings.models}
    names = [w for w in words if w in categories or w not in ("SMALL", "BIG")]
    token = found.token or "$AUTH_TOKEN"
    messages = [{"role": "user", "content": "Hello!"}]
    body = json.dumps({"model": names[0], "stream": True, "messages": messages})
    lines = [
        f"tproxy {__version__} serves OpenAI's API.",
        "",
        f"  base URL   {url}",
        f"  token      {found.token or 'the value of AUTH_TOKEN'}",
        f"  providers  {', '.join(found.found) or 'echo (no provider key is set)'}",
        f"  models     {', '.join(names[:8])}{', …' if len(names) > 8 else ''}",
        *(f"  note       {note}" for note in found.notes),
        "",
        "Try it:",
        "",
        f"  curl -N {url}/chat/completions \\",
        f'    -H "Authorization: Bearer {token}" \\',
        '    -H "Content-Type: application/json" \\',
        f"    -d {shlex.quote(body)}",
        "",
        "Ctrl-C ends it. `tproxy init > tproxy.yaml` writes this as a configuration.",
    ]
    print("\n".join(lines), flush=True)


def _warn(warnings: Sequence[Fault]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
