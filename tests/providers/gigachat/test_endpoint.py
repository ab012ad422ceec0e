import pytest

from tests.providers.gigachat import at
from tproxy.providers.gigachat.endpoint import Endpoint


@pytest.mark.parametrize(
    "end", ["", "/", "/chat/completions", "/chat/completions/", "/embeddings"]
)
def test_the_base_and_any_whole_endpoint_lead_to_the_same(end: str) -> None:
    endpoint = Endpoint.of(at("https://giga.test/api/v1" + end))

    assert not endpoint.is_v2
    assert endpoint.chat == "https://giga.test/api/v1/chat/completions"
    assert endpoint.embeddings == "https://giga.test/api/v1/embeddings"
    assert endpoint.content("a-1") == "https://giga.test/api/v1/files/a-1/content"


@pytest.mark.parametrize("end", ["", "/", "/chat/completions"])
def test_only_chats_have_a_second_version(end: str) -> None:
    endpoint = Endpoint.of(at("https://giga.test/v2" + end))

    assert endpoint.is_v2
    assert endpoint.chat == "https://giga.test/v2/chat/completions"
    assert endpoint.embeddings == "https://giga.test/v1/embeddings"
    assert endpoint.content("a-1") == "https://giga.test/v1/files/a-1/content"


@pytest.mark.parametrize("base", ["http://localhost:1/v21", "http://v2.test/giga"])
def test_a_base_of_ones_own_is_taken_as_it_is(base: str) -> None:
    endpoint = Endpoint.of(at(base))

    assert not endpoint.is_v2
    assert endpoint.chat == f"{base}/chat/completions"
