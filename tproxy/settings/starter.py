"""A configuration to start from: the presets whose keys are there, as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import attrs

from tproxy.core.model import Kind
from tproxy.settings import schema
from tproxy.settings.dialects import Dialects, makes
from tproxy.settings.facts import PresetModel
from tproxy.settings.presets import ECHO, Preset, presets
from tproxy.settings.windows import UTC

IN_MEMORY = "state: {backend: memory}\n"  # where no file of ours is to be left behind

_OF_HTTP = attrs.fields_dict(schema.HttpClient)
_HEAD = """\
# A configuration of tproxy. `tproxy check --config FILE` checks it and
# `tproxy --config FILE` serves it, once AUTH_TOKEN is in the environment: the token
# that clients send. `${NAME}` is a variable, `${file:PATH}` the content of a file.

server:
  addr: "127.0.0.1:8080"  # ":8080" for all interfaces; PORT replaces the port

"""


@attrs.frozen
class Key:
    """A provider's key that is set, in `variable`, and what can be served with it.

    `takes` are the keys of its entry that other variables fill.
    """

    preset: Preset
    variable: str
    takes: Mapping[str, str]
    models: tuple[PresetModel, ...]


@attrs.frozen
class Found:
    """`keys` to serve with, and `notes` on those that are no use yet."""

    keys: tuple[Key, ...]
    notes: tuple[str, ...]


def keys(values: Mapping[str, str], dialects: Dialects) -> Found:
    """The providers whose keys are among the variables; an empty one is none."""
    found, notes = [], []
    for preset in dict.fromkeys(presets().values()):
        variable = next((name for name in preset.env if values.get(name)), None)
        if variable is None:
            continue
        takes = {key: name for key, name in preset.takes.items() if values.get(name)}
        models = tuple(_buildable(preset, dialects))
        lacks = [name for name in preset.needs if not values.get(name)]
        if lacks:
            are = "are" if len(lacks) > 1 else "is"
            notes.append(f"{variable} is set, but {' and '.join(lacks)} {are} not")
        elif models:
            found.append(Key(preset, variable, takes, models))
        else:
            dialect = f"{preset.title}'s dialect is not built yet"
            notes.append(f"{variable} is set, but {dialect}")
    return Found(tuple(found), tuple(notes))


def _buildable(preset: Preset, dialects: Dialects) -> Iterator[PresetModel]:
    for model in preset.models:
        kind = Kind(model.kind)
        if makes(dialects, preset.usual(kind), kind):
            yield model


def write(found: Found) -> str:
    """The configuration, without secrets. With no key it is the echo provider's."""
    lines = [f"# {note}.\n" for note in found.notes]
    if found.keys:
        lines.append("providers:\n")
        for key in found.keys:
            lines += _provider(key)
        lines.append("\nmodels:\n")
        for key in found.keys:
            for model in key.models:
                lines += _model(key.preset, model)
    else:
        lines.append("# No provider's key is set. The echo provider needs none.\n")
        lines.append("models:\n")
        for model in presets()[ECHO].models:
            lines += _model(presets()[ECHO], model)
    return _HEAD + "".join(lines)


def _provider(key: Key) -> Iterator[str]:
    preset = key.preset
    yield f"  {preset.word}:\n    token: ${{{key.variable}}}\n"
    for name, variable in key.takes.items():
        if name in _OF_HTTP:
            yield f'    http_client_config: {{{name}: "${{{variable}}}"}}\n'
        else:
            yield f"    {name}: ${{{variable}}}\n"
    if preset.quota.scope != "model":
        yield from _limits(preset, ", for all its models together")


def _model(preset: Preset, model: PresetModel) -> Iterator[str]:
    yield f"  - name: {_written(f'{preset.word}/{model.name}')}\n"
    yield f"    provider: {preset.word}\n"
    if model.kind != "chat":
        yield f"    kind: {model.kind}\n"
    elif model.size is not None:
        yield f"    model_size: {model.size}\n"
    rest = attrs.asdict(
        model, filter=lambda field, _: field.name not in ("name", "size", "kind")
    )
    for name, value in _given(rest.items()):
        yield f"    {name}: {_written(value)}\n"
    if preset.quota.scope == "model" and model.kind == "chat":
        yield from _limits(preset, "")


def _limits(preset: Preset, of_what: str) -> Iterator[str]:
    limits = _given(attrs.asdict(preset.limits).items())
    if limits:
        yield f"    # The {preset.quota.scope}'s free tier{of_what}; adjust.\n"
    for name, value in limits:
        yield f"    {name}: {_written(value)}\n"
    if preset.limits.requests_per_day is not None and preset.quota.resets != UTC:
        yield f"    resets: {preset.quota.resets}\n"


def _given(
    values: Iterable[tuple[str, object]],
) -> list[tuple[str, object]]:
    return [(name, value) for name, value in values if value is not None]


def _written(value: object) -> str:
    """`value` in YAML, which takes JSON; lists of words look better without quotes."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return json.dumps(value)
