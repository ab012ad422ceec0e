import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tproxy.core.redact import LONGEST, safe
from tproxy.core.secret import Secret

KEY = "gsk_Zx81hQpLmVt0WcNrBs4EyAoU"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://platform.openai.com/account/api-keys.", "see [link]"),
        ("see (http://10.0.0.5:8000/v1/chat?key=1)", "see ([link])"),
        ("metric: some.googleapis.com/a_b_c, limit", "metric: [link] limit"),
        ("could not resolve api.groq.com", "could not resolve [link]"),
        ("redis://user:secret@cache:6379/0 refused", "[link] refused"),
        ("no answer from 192.168.1.20:8080", "no answer from [address]"),
        ("in organization `org_01jxyz89abcdefg` on", "in organization `[account]` on"),
        ('"user_id":"user_30vFwYf3qlvprxam2pA4FoDYlAR"', '"user_id":"[account]"'),
        ("project proj-AbCdEfGhIjKlMnOpQr", "project [account]"),
        ("Incorrect key: sk-proj-****************abcd.", "Incorrect key: [key]"),
        ("token hf_abcdefghijklmnop", "token [key]"),
        ("AIzaSyD4abcdefghijklmnopqrstuvwxyz012345", "[key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_-", "[key]"),
        ("account 0123456789abcdef0123456789abcdef", "account [key]"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: [key]"),
        ("a\r\nb\tc\x00d\x1b[31me", "a b c d [31me"),
        ("left‮right", "left right"),
        ("  spaced   out  ", "spaced out"),
    ],
)  # fmt: skip
def test_what_is_nobodys_business_is_masked(text: str, expected: str) -> None:
    assert safe(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The model `meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8` is gone.",
        "openai/gpt-4.1-mini and anthropic/claude-3.5-sonnet",
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "body.messages.0.content: Extra inputs are not permitted",
        "Invalid 'messages[3]'. Content blocks are expected to be text or image_url.",
        "skip_thought_signature_validator",
        "Missing Bearer authentication in header",
        "GenerateContentPaidTierInputTokensPerModelPerMinute",
        "user_message is team-building for org-level",
        "ratio 1/2, and/or application/json",
        "Ошибка: неверный запрос",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert safe(text) == text


def test_the_credential_is_masked_whole_and_in_pieces() -> None:
    secret = Secret(KEY)

    for text in (KEY, f"key {KEY}!", f"x{KEY}y", KEY[:12] + "...", "..." + KEY[9:20]):
        shown = safe(text, secret)
        assert "[key]" in shown
        assert not any(KEY[at : at + 8] in shown for at in range(len(KEY)))


def test_a_short_credential_is_masked_where_it_stands_alone() -> None:
    assert safe("key x1 in x1y and x1.", Secret("x1")) == "key [key] in x1y and [key]."
    assert safe("nothing to mask", Secret("")) == "nothing to mask"


@given(st.text(min_size=1, max_size=40), st.text(), st.text())
def test_no_text_lets_a_credential_through(key: str, before: str, after: str) -> None:
    if len(key) < 8:
        before, after = f"{before} ", f" {after}"
    shown = safe(before + key + after, Secret(key))

    assert len(shown) <= LONGEST
    assert shown.isprintable()
    assert len(key) < 8 or key not in shown


LINKED = st.text("abc019.-_~/?#&=%@:+,;")


@given(
    st.text(min_size=8, max_size=40) | st.sampled_from(["https://", "https://api."]),
    LINKED,
    LINKED,
)
@example(KEY, "?key=", "&tenant=")
@example("https://api.", "", "")
@example("https://api.host.test/", "", "")
@example('t.test/?k=]"', "", "")
def test_nothing_is_left_of_a_link_that_held_a_secret(
    key: str, before: str, after: str
) -> None:
    shown = safe(
        f"at https://api.host.test/{before}{key}{after}/THE-END (really)", Secret(key)
    )

    assert "THE-END" not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"see https://a.test/?key={KEY}&tenant=t now", "see [link] now"),
        (f"see {KEY}.api.test/v1/tenant now", "see [link] now"),
        (f"see {KEY}@api.test/v1/tenant now", "see [key] now"),
        (f"key {KEY}, which is wrong", "key [key], which is wrong"),
    ],
)
def test_a_link_is_masked_with_the_secret_in_it(text: str, expected: str) -> None:
    assert safe(text, Secret(KEY)) == expected


def test_a_message_is_cut_short() -> None:
    assert safe("ab " * 1_000) == ("ab " * 1_000)[: LONGEST - 1] + "…"


def test_masking_takes_little_time_whatever_the_text() -> None:
    for piece in ("a.", "https://", "1.1.", "user_", "sk-", "eyJ.", "a" * 50):
        assert len(safe(piece * 100_000, Secret(KEY))) <= LONGEST
