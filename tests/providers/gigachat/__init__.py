from __future__ import annotations

from tests.values import KEY, model
from tproxy.core.model import ClientCredentials, Upstream
from tproxy.core.secret import Secret

BASE = "https://gigachat.test/api/v1"
AUTH = ClientCredentials("https://auth.test/api/v2/oauth")
UPSTREAM = Upstream(
    BASE, "gigachat", Secret(KEY), (("X-Client-ID", "tproxy"),), auth=AUTH
)
MODEL = model("giga", upstream_name="GigaChat-2", upstream=UPSTREAM)
STATE = "0199e210-2f13-744c-8fe5-c9a19fe27db7"


def at(url: str) -> Upstream:
    return Upstream(url, "gigachat", Secret(KEY), auth=AUTH)


MODEL_V2 = model(
    "giga", upstream_name="GigaChat-3-Ultra", upstream=at("https://gigachat.test/v2")
)
