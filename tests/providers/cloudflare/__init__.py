from __future__ import annotations

from tests.values import KEY, model
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

BASE = "https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/run"
NAME = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
UPSTREAM = Upstream(BASE, "cloudflare", Secret(KEY))
MODEL = model("llama", upstream_name=NAME, upstream=UPSTREAM)
