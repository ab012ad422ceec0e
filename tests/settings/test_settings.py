from tests.settings.configuring import DIALECTS, MODEL, TOKEN, Folder
from tproxy.settings import ECHO_URL, load


def test_the_echo_provider_gets_its_address_later(folder: Folder) -> None:
    text = MODEL + "  - {name: e, provider: echo}\n"
    settings = folder.load(text)

    assert settings.needs_echo
    assert [model.upstream.url for model in settings.models][1] == ECHO_URL

    served = settings.with_echo("http://127.0.0.1:9/v1/chat/completions")

    assert not served.needs_echo
    assert [model.upstream.url for model in served.models] == [
        "https://api.groq.com/openai/v1/chat/completions",
        "http://127.0.0.1:9/v1/chat/completions",
    ]


def test_images_and_embeddings_are_asked_beside_chats(folder: Folder) -> None:
    image = "  - {name: i, provider: echo, kind: image}\n"
    embedding = "  - {name: e, provider: echo, kind: embedding}\n"
    settings = folder.load(f"models:\n{image}{embedding}")

    served = settings.with_echo("http://127.0.0.1:9/v1/chat/completions")

    assert [model.upstream.url for model in served.models] == [
        "http://127.0.0.1:9/v1/images/generations",
        "http://127.0.0.1:9/v1/embeddings",
    ]


def test_the_echo_provider_may_be_running_already(folder: Folder) -> None:
    file = folder.write("models:\n  - {name: e, provider: echo}\n")

    settings = load(
        file,
        dialects=DIALECTS,
        environ=TOKEN,
        env_files=(),
        echo_url="http://127.0.0.1:9/v1",
    )

    assert settings.models[0].upstream.url == "http://127.0.0.1:9/v1"
    assert settings.warnings == ()


def test_an_echo_provider_of_ones_own(folder: Folder) -> None:
    model = folder.model("models:\n  - {name: e, provider: echo, url: 'http://h:1/v1'}")

    assert model.upstream.url == "http://h:1/v1/chat/completions"
