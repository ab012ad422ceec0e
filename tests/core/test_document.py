import contextlib
import gzip
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tproxy.core.document import Malformed, parse

SPACE = st.text(" \t\r\n", max_size=3)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(["model", "messages", "mödel", 'a"b', "\\", "x"])
LONG_BLANK = b" " * 5_000  # texts of that length are read in another way
OBJECTS = st.dictionaries(KEYS | st.text(max_size=4), VALUES, max_size=6)


@st.composite
def texts(draw: st.DrawFn, value: Any) -> str:
    """`value` as somebody might write it, with spaces and escapes as they like."""
    match value:
        case dict():
            pairs = [
                f"{draw(texts(key))}:{draw(texts(inner))}"
                for key, inner in value.items()
            ]
            written = "{%s}" % (",".join(pairs) or draw(SPACE))
        case list():
            items = [draw(texts(inner)) for inner in value]
            written = "[%s]" % (",".join(items) or draw(SPACE))
        case _:
            written = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return draw(SPACE) + written + draw(SPACE)


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    value = draw(OBJECTS)
    text = draw(texts(value))
    try:
        return value, text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: only its escape can be sent
        return value, json.dumps(value).encode()


@given(documents())
@settings(deadline=None)
def test_a_valid_document_reads_as_json_loads_reads_it(
    case: tuple[dict[str, Any], bytes],
) -> None:
    value, raw = case

    read = parse(raw)

    assert read.values == value == json.loads(raw)
    assert list(read.values) == list(value)
    assert read.text.encode() == raw


@given(documents())
@settings(deadline=None)
def test_a_span_is_where_its_value_stands(case: tuple[dict[str, Any], bytes]) -> None:
    value, raw = case

    for read in (parse(raw), parse(raw + LONG_BLANK)):
        assert read.span("no key") is None
        for key in value:
            start, end = read.span(key) or (0, 0)
            assert json.loads(read.text[start:end]) == value[key]
            assert read.text[start:end].strip() == read.text[start:end]


@given(documents(), KEYS)
@settings(deadline=None)
def test_positions_are_right_after_a_value_was_set(
    case: tuple[dict[str, Any], bytes], key: str
) -> None:
    for raw in (case[1], case[1] + LONG_BLANK):
        after = parse(raw).having(key, ["new", {"x": 1}])

        again = parse(after.text.encode())
        assert after == again
        for name in again.values:
            assert after.span(name) == again.span(name)


@given(st.binary(max_size=12).map(lambda inner: b'{"a":%b}' % inner))
def test_a_long_text_is_judged_as_a_short_one(raw: bytes) -> None:
    judged: list[object] = []
    for text in (raw, raw + LONG_BLANK):
        try:
            judged.append(parse(text).values)
        except Malformed as error:
            judged.append(str(error))

    assert judged[0] == judged[1]


@given(documents(), KEYS, st.text(max_size=12))
@settings(deadline=None)
def test_replacing_changes_that_value_and_not_a_byte_besides(
    case: tuple[dict[str, Any], bytes], key: str, new: str
) -> None:
    value, raw = case
    read = parse(raw)

    replaced = read.replaced(key, new)

    assert json.loads(replaced) == {**value, key: new}
    if key in value:
        start, end = read.span(key) or (0, 0)
        before, after = read.text[:start].encode(), read.text[end:].encode()
        assert replaced == before + json.dumps(new).encode() + after
    else:
        added = json.dumps({key: new})[1:-1].replace(": ", ":", 1).encode()
        comma = b"," if value else b""
        assert replaced.replace(added + comma, b"", 1) == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"model":"a"}', b'{"model":"b"}'),
        (b'{ "model" :\t"a" }', b'{ "model" :\t"b" }'),
        (b'{"mod\\u0065l":"a"}', b'{"mod\\u0065l":"b"}'),
        (b'{"x":{"model":"a"},"model":"a"}', b'{"x":{"model":"a"},"model":"b"}'),
        (b'{"x":1.50,"model":"a"}', b'{"x":1.50,"model":"b"}'),
        (b'{"\xc3\xa9\\/":0,"model":""}', b'{"\xc3\xa9\\/":0,"model":"b"}'),
        (b'{"x":1E400,"model":"a"}', b'{"x":1E400,"model":"b"}'),
        (b'{"x":1}', b'{"model":"b","x":1}'),
        (b" {\n}\n", b' {"model":"b"\n}\n'),
    ],
)  # fmt: skip
def test_the_model_is_replaced_in_place(raw: bytes, expected: bytes) -> None:
    assert parse(raw).replaced("model", "b") == expected


INVALID = "The body is not valid JSON: see "
TWICE = "The body has a key twice in one object."


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", f"{INVALID}line 1 column 1."),
        (b" \n\t\r", f"{INVALID}line 2 column 3."),
        (b"hello", f"{INVALID}line 1 column 1."),
        (b'{"a":1', f"{INVALID}line 1 column 7."),
        (b'{"a":1,}', f"{INVALID}line 1 column 8."),
        (b'{"a":1 "b":2}', f"{INVALID}line 1 column 7."),
        (b'{"a" 1}', f"{INVALID}line 1 column 6."),
        (b'{"a\\u0020" 1}', f"{INVALID}line 1 column 12."),
        (b'{"a":}', f"{INVALID}line 1 column 6."),
        (b"{,}", f"{INVALID}line 1 column 2."),
        (b"{a:1}", f"{INVALID}line 1 column 2."),
        (b"{'a':1}", f"{INVALID}line 1 column 2."),
        (b'{"a":01}', f"{INVALID}line 1 column 7."),
        (b'{"a":"\n"}', f"{INVALID}line 1 column 7."),
        (b'{"a\n":1}', f"{INVALID}line 1 column 4."),
        (b'{"a":1}\n{}', f"{INVALID}line 2 column 1."),
        (b'{"a":1}x', f"{INVALID}line 1 column 8."),
        (b"{}\x00", f"{INVALID}line 1 column 3."),
        (b"\xef\xbb\xbf{}", f"{INVALID}line 1 column 1."),
        (b"[]", "The body is not a JSON object."),
        (b'"{}"', "The body is not a JSON object."),
        (b"12", "The body is not a JSON object."),
        (b"null", "The body is not a JSON object."),
        (b'{"a":"\xff"}', "The body is not UTF-8."),
        (b'{"a":"\xed\xa0\x80"}', "The body is not UTF-8."),
        ('{"a":1}'.encode("utf-16"), "The body is not UTF-8."),
        (
            gzip.compress(b'{"a":1}', mtime=0),
            "The body is compressed; send it as it is.",
        ),
        (b'{"a":1,"a":1}', TWICE),
        (b'{"a":1,"\\u0061":1}', TWICE),
        (b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}', TWICE),
        (b'[{"a":1,"a":1}]', TWICE),
        (b'{"a":NaN}', "The body holds NaN, which is not JSON."),
        (b'{"a":[-Infinity]}', "The body holds -Infinity, which is not JSON."),
        (b'{"a":Infinity}', "The body holds Infinity, which is not JSON."),
        (b"NaN", "The body holds NaN, which is not JSON."),
    ],
)
def test_anything_else_is_refused_with_its_reason(raw: bytes, problem: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(raw)

    assert str(caught.value) == problem


LONG = b"1" * 1_000_000
ABSURD = {
    "integer": b'{"a":%b}' % LONG,
    "negative integer": b'{"a":-%b}' % LONG,
    "fraction": b'{"a":[0.%b]}' % LONG,
    "exponent": b'{"a":1e%b}' % LONG,
    "no object": LONG,
}
DEEP = {
    "arrays": b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "both": b'{"a":' + b'[{"b":' * 5_000 + b"1" + b"}]" * 5_000 + b"}",
    "unfinished": b'{"a":' + b"[" * 10_000,
    "no object": b"[" * 10_000 + b"]" * 10_000,
    "a million": b'{"a":' + b"[" * 1_000_000,
}


@pytest.mark.parametrize("raw", ABSURD.values(), ids=ABSURD)
def test_numbers_of_a_million_digits_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="holds a number of absurd length"):
        parse(raw)


@pytest.mark.parametrize("raw", DEEP.values(), ids=DEEP)
def test_nesting_of_ten_thousand_levels_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="nested too deeply"):
        parse(raw)


def nested(depth: int) -> bytes:
    """An object with arrays in it, `depth` levels in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_nesting_is_taken_up_to_the_limit() -> None:
    assert parse(nested(64)).values["a"]
    with pytest.raises(Malformed, match="nested"):
        parse(nested(65))


def test_many_brackets_that_are_not_deep_are_taken() -> None:
    raw = json.dumps({"a": [{} for _ in range(1_000)], "b": "[{" * 1_000}).encode()

    assert parse(raw).values == json.loads(raw)


def test_numbers_of_sane_length_are_taken_whatever_their_size() -> None:
    digits = "9" * 400

    values = parse(f'{{"a":{digits},"b":1e400,"c":0.{digits}}}'.encode()).values

    assert values == {"a": int(digits), "b": math.inf, "c": 1.0}


@given(st.binary(max_size=60) | documents().map(lambda case: case[1]), st.data())
@settings(deadline=None)
def test_whatever_is_sent_is_read_as_json_loads_does_or_refused(
    raw: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(raw)))
    raw = raw[:cut] + data.draw(st.binary(max_size=2)) + raw[cut:]

    with contextlib.suppress(Malformed):
        assert parse(raw).values == json.loads(raw.decode("utf-8"))


def test_a_document_shows_nothing_of_what_it_holds() -> None:
    assert "secret" not in repr(parse(b'{"secret":"secret"}'))
