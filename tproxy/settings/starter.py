"""A configuration to start from: the presets whose keys are there, as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import attrs

from tproxy.settings.presets import ECHO, Preset, PresetModel, presets

_HEAD = """\
# A configuration of tproxy. `tproxy check --config FILE` checks it and
# `tproxy --config FILE` serves it, once AUTH_TOKEN is in the environment: the token
# that clients send. `${NAME}` is a variable, `${file:PATH}` the content of a file.

server:
  addr: "127.0.0.1:8080"  # ":8080" for all interfaces; PORT replaces the port

"""


@attrs.frozen
class Key:
    """A provider's key that is set: `variable` holds it."""

    preset: Preset
    variable: str


@attrs.frozen
class Found:
    """`keys` to serve with, and `notes` on those that are no use yet."""

    keys: tuple[Key, ...]
    notes: tuple[str, ...]


def keys(values: Mapping[str, str]) -> Found:
    """The providers whose keys are among the variables; an empty one is none."""
    found, notes = [], []
    for preset in dict.fromkeys(presets().values()):
        variable = next((name for name in preset.env if values.get(name)), None)
        if variable is None:
            continue
        lacks = [name for name in preset.needs if not values.get(name)]
        if lacks:
            notes.append(f"{variable} is set, but {', '.join(lacks)} is not")
        elif preset.url is not None:
            found.append(Key(preset, variable))
        elif preset.note is not None:
            notes.append(f"{variable} is set, but {preset.title}: {preset.note}")
        else:
            dialect = f"{preset.title}'s dialect is not built yet"
            notes.append(f"{variable} is set, but {dialect}")
    return Found(tuple(found), tuple(notes))


def write(found: Found) -> str:
    """The configuration, without secrets. With no key it is the echo provider's."""
    lines = [f"# {note}.\n" for note in found.notes]
    if found.keys:
        lines.append("providers:\n")
        for key in found.keys:
            lines += _provider(key)
    else:
        lines.append("# No provider's key is set. The echo provider needs none.\n")
    lines.append("\nmodels:\n" if found.keys else "models:\n")
    for preset in [key.preset for key in found.keys] or [presets()[ECHO]]:
        for model in preset.models:
            lines += _model(preset, model)
    return _HEAD + "".join(lines)


def _provider(key: Key) -> Iterator[str]:
    preset = key.preset
    yield f"  {preset.word}:\n    token: ${{{key.variable}}}\n"
    limits = _given(attrs.asdict(preset.limits).items())
    if limits:
        yield "    # The account's free tier, for all its models together; adjust.\n"
    for name, value in limits:
        yield f"    {name}: {_written(value)}\n"


def _model(preset: Preset, model: PresetModel) -> Iterator[str]:
    yield f"  - name: {_written(f'{preset.word}/{model.name}')}\n"
    yield f"    provider: {preset.word}\n    model_size: {model.size}\n"
    rest = attrs.asdict(
        model, filter=lambda field, _: field.name not in ("name", "size")
    )
    for name, value in _given(rest.items()):
        yield f"    {name}: {_written(value)}\n"


def _given(
    values: Iterable[tuple[str, object]],
) -> list[tuple[str, object]]:
    return [(name, value) for name, value in values if value is not None]


def _written(value: object) -> str:
    """`value` in YAML, which takes JSON; lists of words look better without quotes."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return json.dumps(value)
