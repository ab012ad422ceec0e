"""Error bodies as providers send them, and what each means.

From the providers' documents and from bug reports; recorded ones are in
`test_recordings.py` besides.
"""

# ruff: noqa: E501 - bodies are as they came
from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.values import KEY, model
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret
from tproxy.providers import complaint

MODEL = model("a")


@attrs.frozen
class Body:
    """One error: where it is from, its status, what it means, and its seconds."""

    of: str
    status: int | None
    failure: Failure
    said: str | dict[str, Any] | list[Any]
    wait: float | None = None
    headers: dict[str, str] = attrs.field(factory=dict)

    def read(self) -> UpstreamFailed:
        said = self.said if isinstance(self.said, str) else json.dumps(self.said)
        return complaint.read(self.status, self.headers, said.encode(), MODEL)


def error(message: str = "", **fields: object) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


# What the origin's to-do lists: a 429 within a 500.
BUSY = {
    "error": {
        "message": "Provider returned error",
        "code": 429,
        "metadata": {
            "raw": "qwen/qwen3-coder:free is temporarily rate-limited upstream. Please retry shortly, or add your own key to accumulate your rate limits: https://openrouter.ai/settings/integrations",
            "provider_name": "Chutes",
        },
    },
    "user_id": "user_30vFwYf3qlvprxam2pA4FoDYlAR",
}
WRAPPED = f"500 unexpected status code: 429, body: {json.dumps(BUSY)}"
DATE = {"date": "Tue, 03 Nov 2026 10:00:00 GMT"}

BODIES = [
    Body("openai", 400, failures.REJECTED, error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", type="invalid_request_error", param="max_tokens", code="unsupported_parameter")),
    Body("openai", 400, failures.REJECTED, error("Unsupported value: 'messages[0].role' does not support 'system' with this model.", code="unsupported_value")),
    Body("openai", 400, failures.REJECTED, error("Error while downloading https://x.test/a.png. Upstream status code: 404.", code="invalid_image_url")),
    Body("openai", 400, failures.REJECTED, error("max_tokens is too large: 200000. This model supports at most 16384 completion tokens", code=None)),
    Body("openai", 400, failures.TOO_LONG, error("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.", code="context_length_exceeded")),
    Body("openai", 400, failures.TOO_LONG, error("Invalid 'messages[0].content': string too long.", code="string_above_max_length")),
    Body("openai", 400, failures.FILTERED, error("Your request was rejected as a result of our safety system.", type="image_generation_user_error", code="moderation_blocked")),
    Body("openai", 400, failures.BILLING, error("Billing hard limit has been reached", code="billing_hard_limit_reached")),
    Body("openai", 400, failures.MISSING, error("The requested model 'gpt-5.2-proo' does not exist.", code="model_not_found")),
    Body("openai", 401, failures.AUTH, error("Incorrect API key provided: sk-x.", code="invalid_api_key")),
    Body("openai", 403, failures.FORBIDDEN, error("Country, region, or territory not supported", code="unsupported_country_region_territory")),
    Body("openai", 404, failures.MISSING, error("The model `x` does not exist or you do not have access to it.", code="model_not_found")),
    Body("openai", 429, failures.RATE_LIMIT, error("Rate limit reached for gpt-4o in organization org-x on requests per min. Limit: 3 / min. Please try again in 20s.", type="requests", code="rate_limit_exceeded"), 20.0),
    Body("openai", 429, failures.RATE_LIMIT, error("Rate limit reached", type="tokens", code="rate_limit_exceeded"), 1.2, {"retry-after": "2", "retry-after-ms": "1200"}),
    Body("openai", 429, failures.RATE_LIMIT, error("Rate limit reached", type="tokens", code="rate_limit_exceeded"), 360.0, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}),
    Body("openai", 429, failures.TOO_LONG, error("Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully.", type="tokens", code="rate_limit_exceeded")),
    Body("openai", 500, failures.RATE_LIMIT, "Error code: 429 - {'error': 'slow down'}"),
    Body("openai", 429, failures.BILLING, error("You exceeded your current quota, please check your plan and billing details.", type="insufficient_quota", code="insufficient_quota"), None, {"retry-after": "5"}),
    Body("openai", 500, failures.SERVER, error("The server had an error", type="server_error", code=None)),
    Body("openai", 503, failures.OVERLOADED, error("Slow Down", type="server_error", code="slow_down"), 3.0, {"retry-after": "3"}),
    Body("groq", 400, failures.MODEL_FAULT, error("Failed to call a function.", type="invalid_request_error", code="tool_use_failed", failed_generation="more credits")),
    Body("groq", 400, failures.MODEL_FAULT, error("Failed to generate JSON.", code="json_validate_failed")),
    Body("groq", 400, failures.MISSING, error("The model `x` has been decommissioned", code="model_decommissioned")),
    Body("groq", 400, failures.MISSING, error("The model requires terms acceptance.", code="model_terms_required")),
    Body("groq", 400, failures.TOO_LONG, error("Please reduce the length of the messages or completion.", code="context_length_exceeded")),
    Body("groq", 413, failures.TOO_LONG, error("Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000", type="tokens", code="rate_limit_exceeded")),
    Body("groq", 400, failures.FORBIDDEN, error("Organization has been restricted. Please reach out to support if you believe this was in error.", type="invalid_request_error", code="organization_restricted")),
    Body("groq", 400, failures.UNSUPPORTED, error("This model does not support response format `json_schema`. See supported models", type="invalid_request_error")),
    Body("groq", 404, failures.MISSING, error("The model `x` does not exist or you do not have access to it.", type="invalid_request_error", code="model_not_found")),
    Body("groq, a day's requests", 429, failures.RATE_LIMIT, error("Rate limit reached for model `x` in organization `org_01jxyz89abcd` service tier `on_demand` on requests per day (RPD): Limit 1000, Used 1000, Requested 1. Please try again in 1m26.4s.", type="requests", code="rate_limit_exceeded"), 87.0, {"retry-after": "87", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m26.4s"}),
    Body("groq, a day's tokens", 429, failures.RATE_LIMIT, error("Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99998, Requested 80. Please try again in 1h7m12.5s.", type="tokens", code="rate_limit_exceeded"), 4032.5),
    Body("groq, by its headers", 429, failures.RATE_LIMIT, error("Rate limit reached", code="rate_limit_exceeded"), 7.66, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s", "x-ratelimit-remaining-requests": "14370", "x-ratelimit-reset-requests": "2m59.56s"}),
    Body("groq", 424, failures.SERVER, error("Failed Dependency")),
    Body("groq", 429, failures.RATE_LIMIT, error("Rate limit reached for model `x` in organization `org_01jxyz89abcd` on tokens per minute (TPM): Limit 6000, Used 5990, Requested 80. Please try again in 7.66s. Need more tokens?", type="tokens", code="rate_limit_exceeded"), 7.66),
    Body("groq", 429, failures.RATE_LIMIT, error("Please try again in 1m7.66s.", code="rate_limit_exceeded"), 68.0, {"retry-after": "68"}),
    Body("groq", 498, failures.SERVER, error("Flex tier capacity exceeded")),
    Body("groq", 499, failures.SERVER, error("Request cancelled")),
    Body("groq in a stream", None, failures.MODEL_FAULT, error("Tool choice is required, but model did not call a tool", type="invalid_request_error", code="tool_use_failed", status_code=400)),
    Body("the origin's to-do", 500, failures.RATE_LIMIT, WRAPPED),
    Body("the origin's to-do, as JSON", 500, failures.RATE_LIMIT, BUSY),
    Body("the origin's to-do, twice wrapped", 500, failures.RATE_LIMIT, error(WRAPPED, code=500)),
    Body("the origin's to-do, in a 502", 502, failures.RATE_LIMIT, {"detail": WRAPPED}),
    Body("the origin's to-do, in a 200", None, failures.RATE_LIMIT, BUSY),
    Body("openrouter", 429, failures.RATE_LIMIT, BUSY),
    Body("openrouter", 400, failures.RATE_LIMIT, BUSY),
    Body("openrouter", 429, failures.RATE_LIMIT, error("Rate limit exceeded: free-models-per-day", code=429, metadata={"headers": {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1793700060000"}}), 60.0, DATE),
    Body("openrouter, a day's requests", 429, failures.RATE_LIMIT, error("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day", code=429, metadata={"headers": {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1793750400000"}, "provider_name": None}), 50_400.0, DATE),
    Body("openrouter, a day's requests, in a 200", None, failures.RATE_LIMIT, error("Rate limit exceeded: free-models-per-day", code=429, metadata={"headers": {"X-RateLimit-Reset": "1793750400000"}}), 50_400.0, {**DATE, "retry-after": "2"}),
    Body("openrouter, by its headers", 429, failures.RATE_LIMIT, error("Rate limit exceeded: free-models-per-min. ", code=429), 12.0, {**DATE, "x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1793700012000"}),
    Body("openrouter, with no date", 429, failures.RATE_LIMIT, error("Rate limit exceeded: free-models-per-day", code=429, metadata={"headers": {"X-RateLimit-Reset": "1793750400000"}})),
    Body("openrouter", 429, failures.RATE_LIMIT, error("Provider returned error", code=429, metadata={"raw": "x is temporarily rate-limited upstream.", "provider_name": "Venice", "retry_after_seconds": 12.0}), 12.0),
    Body("openrouter", 429, failures.RATE_LIMIT, error("Provider returned error", code=429, metadata={"raw": '{"error":{"message":"Rate limit reached. Please try again in 2m5s."}}', "provider_name": "Groq"}), 125.0),
    Body("openrouter", 403, failures.BILLING, error("Key limit exceeded (daily limit). Manage it using https://openrouter.ai/settings/keys", code=403)),
    Body("openrouter", 402, failures.BILLING, error("Insufficient credits. Add more using https://openrouter.ai/settings/credits", code=402)),
    Body("openrouter", 404, failures.UNSUPPORTED, error("No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs/provider-routing", code=404)),
    Body("openrouter", 404, failures.UNSUPPORTED, error("No endpoints found that support image input", code=404)),
    Body("openrouter", 404, failures.UNSUPPORTED, error("No endpoints found that can handle the requested parameters.", code=404)),
    Body("openrouter", 404, failures.MISSING, error("No endpoints found for foo/bar:free.", code=404)),
    Body("openrouter", 400, failures.UNSUPPORTED, error("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"Function calling is not enabled for this model"}}', "provider_name": "Novita"})),
    Body("openrouter", 400, failures.TOO_LONG, error("This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens.", code=400)),
    Body("openrouter", 400, failures.TOO_LONG, error("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}', "provider_name": "Anthropic"})),
    Body("openrouter", 400, failures.REJECTED, error("x is not a valid model parameter", code=400)),
    Body("openrouter", 400, failures.MISSING, error("foo/bar is not a valid model ID", code=400)),
    Body("openrouter", 401, failures.AUTH, error("No auth credentials found", code=401)),
    Body("openrouter", 401, failures.AUTH, error("User not found.", code=401)),
    Body("openrouter", 402, failures.BILLING, error("This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 1022.", code=402)),
    Body("openrouter", 403, failures.FILTERED, error("Input refused", code=403, metadata={"reasons": ["violence"], "flagged_input": "x", "provider_name": "OpenAI", "model_slug": "m"})),
    Body("openrouter", 403, failures.FILTERED, error('openai/gpt-4 requires moderation on OpenAI. Your input was flagged for "violence". No credits were charged.', code=403)),
    Body("openrouter", 404, failures.MISSING, error("No endpoints found matching your data policy", code=404)),
    Body("openrouter", 408, failures.TIMED_OUT, error("Request timed out", code=408)),
    Body("openrouter", 502, failures.SERVER, error("Provider returned error", code=502)),
    Body("openrouter", 503, failures.OVERLOADED, error("No allowed providers are available", code=503)),
    Body("openrouter in a 200", None, failures.OVERLOADED, error("Provider returned error", code=503)),
    Body("openrouter in a stream", None, failures.SERVER, error("Internal Server Error", code="server_error")),
    Body("openrouter in a stream", None, failures.TOO_LONG, {**error("Token limit reached", code=400), "choices": []}),
    Body("huggingface", 400, failures.REJECTED, {"error": ["Error in `inputs.context`: field required"]}),
    Body("huggingface", 400, failures.MISSING, error("The requested model 'x' is not supported by any provider you have enabled.", type="invalid_request_error", param="model", code="model_not_supported")),
    Body("huggingface", 401, failures.AUTH, {"error": "Invalid username or password."}),
    Body("huggingface", 401, failures.AUTH, {"error": "Invalid credentials in Authorization header"}),
    Body("huggingface", 402, failures.BILLING, {"error": "You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO"}),
    Body("huggingface", 403, failures.FORBIDDEN, {"error": "This model is gated"}),
    Body("huggingface", 404, failures.MISSING, "Not Found"),
    Body("huggingface", 422, failures.REJECTED, {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}),
    Body("huggingface", 422, failures.TOO_LONG, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`", "error_type": "validation"}),
    Body("huggingface", 424, failures.SERVER, {"error": "Request failed during generation: Server error", "error_type": "generation"}),
    Body("huggingface", 429, failures.RATE_LIMIT, {"error": "Rate limit reached. Please log in or use a HF access token"}, 30.0, {"retry-after": "30"}),
    Body("huggingface", 503, failures.OVERLOADED, {"error": "Model X is currently loading", "estimated_time": 20.0}, 20.0),
    Body("huggingface", 504, failures.TIMED_OUT, "<html><body>504 Gateway Time-out</body></html>"),
    Body("huggingface", 500, failures.SERVER, "<html><body>500</body></html>"),
    Body("huggingface", 503, failures.OVERLOADED, {"error": "Model X is currently loading", "estimated_time": 2300.5}, 2300.5),
    Body("huggingface", 503, failures.OVERLOADED, {"error": "Model X is currently loading", "estimated_time": 20.0}, 36.0, {"retry-after": "36"}),
    Body("huggingface in a 200", None, failures.OVERLOADED, {"error": "Model X is currently loading", "estimated_time": 20.0}, 20.0, {"retry-after": "36"}),
    Body("huggingface", 400, failures.MISSING, {"error": "Model not supported by provider hf-inference"}),
    Body("huggingface in a stream", None, failures.OVERLOADED, {"error": "Model is overloaded", "error_type": "overloaded"}),
    Body("huggingface in a stream", None, failures.SERVER, {"error": "Request failed during generation", "error_type": "generation"}),
    Body("huggingface in a stream", None, failures.REJECTED, {"error": "Input validation error: `seed`", "error_type": "validation"}),
    Body("github", 401, failures.AUTH, error("Bad credentials", code="unauthorized", details="Bad credentials")),
    Body("github", 400, failures.MISSING, error("Unknown model: x", code="unknown_model")),
    Body("github", 404, failures.MISSING, error("Unknown model: x", code="unknown_model")),
    Body("github", 403, failures.FORBIDDEN, error("No access to model: x", code="no_access")),
    Body("github", 413, failures.TOO_LONG, error("Request body too large for gpt-4o model. Max size: 8000 tokens.", code="tokens_limit_reached")),
    Body("github", 429, failures.RATE_LIMIT, error("Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 46 seconds before retrying.", code="RateLimitReached"), 46.0),
    Body("github", 429, failures.RATE_LIMIT, error("Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 0 seconds before retrying.", code="RateLimitReached")),
    Body("github", 429, failures.RATE_LIMIT, error("Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 11034 seconds before retrying.", code="RateLimitReached"), 11034.0),
    Body("github", 429, failures.RATE_LIMIT, error("Rate limit of 2 per 0s exceeded for UserConcurrentRequests. Please wait 0 seconds before retrying.", code="RateLimitReached")),
    Body("github", 429, failures.RATE_LIMIT, error("Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 0 seconds before retrying.", code="RateLimitReached"), 11034.0, {"retry-after": "0", "x-ratelimit-type": "UserByModelByDay", "x-ratelimit-timeremaining": "11034"}),
    Body("github", 429, failures.RATE_LIMIT, error("Rate limit of 50 per 86400s exceeded for UserByModelByDay.", code="RateLimitReached"), 86_400.0, {"retry-after": "274579000"}),
    Body("github", 400, failures.MISSING, error("Unavailable model: x", code="unavailable_model")),
    Body("azure", 403, failures.RATE_LIMIT, {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 01:31:24."}, 5484.0),
    Body("azure", 400, failures.MISSING, error("The chatCompletion operation does not work with the specified model, x.", code="OperationNotSupported")),
    Body("azure", 429, failures.RATE_LIMIT, error("Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your current AIServices S0 pricing tier. Please retry after 86400 seconds.", code="429"), 86_400.0, {"retry-after": "86400", "x-ratelimit-reset-requests": "86400"}),
    Body("azure", 429, failures.RATE_LIMIT, error("Your requests have exceeded rate limit.", code="RateLimitReached"), None, {"retry-after": "0", "retry-after-ms": "0", "x-ratelimit-reset-tokens": "7", "x-ratelimit-remaining-tokens": "0"}),
    Body("azure", 400, failures.FILTERED, error("The response was filtered due to the prompt triggering Azure Content management policy.", type=None, param="prompt", code="content_filter", status=400, innererror={"code": "ResponsibleAIPolicyViolation"})),
    Body("azure", 401, failures.AUTH, error("Access denied due to invalid subscription key or wrong API endpoint.", code="401")),
    Body("azure", 401, failures.AUTH, {"statusCode": 401, "message": "Access denied"}),
    Body("azure", 404, failures.MISSING, error("The API deployment for this resource does not exist.", code="DeploymentNotFound")),
    Body("azure", 429, failures.RATE_LIMIT, error("Your requests to X for X in westeurope have exceeded rate limit.", code="RateLimitReached"), 1.0, {"retry-after": "1", "retry-after-ms": "0"}),
    Body("azure", 429, failures.RATE_LIMIT, error("Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 24 seconds.", code="429"), 24.0),
    Body("together", 401, failures.AUTH, {"id": "x", **error("Invalid API key provided", type="invalid_request_error", code="invalid_api_key")}),
    Body("together", 402, failures.BILLING, error("Credit limit exceeded", code="credit_limit")),
    Body("together", 403, failures.TOO_LONG, error("Input is too long: 9000 tokens")),
    Body("together", 422, failures.TOO_LONG, error("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.", type="invalid_request_error")),
    Body("together", 404, failures.MISSING, error("Unable to access model x", type="invalid_request_error", code="model_not_available")),
    Body("together", 429, failures.RATE_LIMIT, error("You have reached the rate limit", type="rate_limit", code=None)),
    Body("together", 503, failures.OVERLOADED, error("The server is overloaded", type="service_unavailable")),
    Body("together", 429, failures.RATE_LIMIT, error("You have reached the rate limit specific to this model", type="model_rate_limit", code=None), 2.0, {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
    Body("ollama", 400, failures.TOO_LONG, error("prompt too long; exceeded max context length by 31072 tokens", type="invalid_request_error", code=None)),
    Body("ollama", 400, failures.UNSUPPORTED, error("registry.ollama.ai/library/gemma:2b does not support tools", type="api_error", code=None)),
    Body("ollama", 401, failures.AUTH, error("Unauthorized", type="api_error", param=None, code=None)),
    Body("ollama", 404, failures.MISSING, error('model "x" not found, try pulling it first', type="not_found_error", code=None)),
    Body("ollama", 429, failures.RATE_LIMIT, error("you've reached your hourly usage limit, please upgrade to continue", type="api_error", code=None)),
    Body("ollama", 503, failures.OVERLOADED, error("server busy, please try again. maximum pending requests exceeded", type="api_error")),
    Body("deepseek", 429, failures.RATE_LIMIT, error("Rate limit reached", type="rate_limit_error", code="invalid_request_error")),
    Body("deepseek", 401, failures.AUTH, error("Authentication Fails, Your api key: ****-key is invalid", type="authentication_error", code="invalid_request_error")),
    Body("deepseek", 402, failures.BILLING, error("Insufficient Balance", type="unknown_error", code="invalid_request_error")),
    Body("deepseek", 400, failures.TOO_LONG, error("This model's maximum context length is 65536 tokens.", code="invalid_request_error")),
    Body("deepseek", 400, failures.MISSING, error("Model Not Exist", code="invalid_request_error")),
    Body("deepseek", 422, failures.REJECTED, error("Failed to deserialize the JSON body", code="invalid_request_error")),
    Body("deepseek", 503, failures.OVERLOADED, error("Service is too busy", type="service_unavailable_error")),
    Body("mistral", 401, failures.AUTH, {"detail": "Invalid API Key"}),
    Body("mistral", 422, failures.REJECTED, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error", "code": None}),
    Body("mistral", 422, failures.REJECTED, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]}),
    Body("mistral", 400, failures.MISSING, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": None, "code": "1500"}),
    Body("mistral", 400, failures.TOO_LONG, {"object": "error", "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", "type": "invalid_request_error", "code": "3051"}),
    Body("mistral", 429, failures.RATE_LIMIT, {"message": "Requests rate limit exceeded"}),
    Body("mistral", 429, failures.RATE_LIMIT, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}),
    Body("mistral", 429, failures.RATE_LIMIT, {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded", "param": None, "code": "3505"}, None, {"x-ratelimit-remaining-req-minute": "0"}),
    Body("mistral", 400, failures.UNSUPPORTED, {"object": "error", "message": "Function calling is not enabled for this model", "type": "invalid_request_function_call", "code": "3000"}),
    Body("mistral", 502, failures.SERVER, "upstream connect error or disconnect/reset before headers"),
    Body("vllm", 400, failures.TOO_LONG, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", "type": "BadRequestError", "param": None, "code": 400}),
    Body("vllm", 404, failures.MISSING, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}),
    Body("vllm", 400, failures.REJECTED, error('"auto" tool choice requires --enable-auto-tool-choice', type="BadRequestError", code=400)),
    Body("vllm in a stream", None, failures.REJECTED, error("bad", type="BadRequestError", code=400)),
    Body("ollama", 400, failures.TOO_LONG, error("prompt too long; exceeded max context length by 12 tokens", type="api_error")),
    Body("ollama", 401, failures.AUTH, error("Unauthorized", type="api_error", code=None)),
    Body("ollama", 403, failures.BILLING, error("this model requires a subscription, upgrade for access")),
    Body("ollama", 404, failures.MISSING, error('model "x" not found, try pulling it first')),
    Body("cohere", 400, failures.TOO_LONG, {"id": "x", "message": "too many tokens: size limit exceeded by 25836 tokens.", "error_type": "TOO_MANY_TOKENS"}),
    Body("cohere", 401, failures.AUTH, {"message": "invalid api token"}),
    Body("cohere", 404, failures.MISSING, {"message": "model 'x' not found, make sure the correct model ID was used"}),
    Body("cohere", 429, failures.BILLING, {"message": "You are using a Trial key, which is limited to 1000 API calls / month"}),
    Body("cloudflare", 400, failures.MISSING, {"success": False, "errors": [{"code": 7000, "message": "No route for that URI"}], "messages": [], "result": None}),
    Body("cloudflare", 400, failures.MISSING, {"success": False, "errors": [{"code": 5007, "message": "No such model x or task"}]}),
    Body("cloudflare", 429, failures.RATE_LIMIT, {"success": False, "errors": [{"code": 4006, "message": "AiError: AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's Workers Paid plan if you would like to continue usage. (0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0)"}], "result": {}, "messages": []}, 50_400.0, DATE),
    Body("cloudflare", 400, failures.FILTERED, {"success": False, "errors": [{"code": 3030, "message": "AiError: AiError: Input prompt contains NSFW content. (0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0)"}]}),
    Body("cloudflare", 400, failures.MODEL_FAULT, {"success": False, "errors": [{"code": 5025, "message": "AiError: JSON Mode couldn't be met"}]}),
    Body("cloudflare", 413, failures.TOO_LONG, {"success": False, "errors": [{"code": 5021, "message": "AiError: The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (7968)."}]}),
    Body("cloudflare", 404, failures.MISSING, {"success": False, "errors": [{"code": 3042, "message": "Invalid model name"}]}),
    Body("cloudflare", 403, failures.FORBIDDEN, {"success": False, "errors": [{"code": 5016, "message": "User has not agreed to Llama3.2 model terms."}]}),
    Body("cloudflare", 401, failures.AUTH, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}),
    Body("cloudflare", 403, failures.BILLING, {"success": False, "errors": [{"code": 5035, "message": "This model requires a paid plan"}]}),
    Body("cloudflare", 408, failures.TIMED_OUT, {"success": False, "errors": [{"code": 3046, "message": "AiError: AiError: Request timeout"}]}),
    Body("cloudflare", 413, failures.TOO_LONG, {"success": False, "errors": [{"code": 3006, "message": "Request is too large"}]}),
    Body("cloudflare", 429, failures.RATE_LIMIT, {"success": False, "errors": [{"code": 4006, "message": "you have used up your daily free allocation of 10,000 neurons"}]}),
    Body("cloudflare", 429, failures.RATE_LIMIT, {"success": False, "errors": [{"code": 3040, "message": "Capacity temporarily exceeded, please try again."}]}),
    Body("cloudflare", 524, failures.TIMED_OUT, "<!DOCTYPE html><title>524: A timeout occurred</title>"),
    Body("cloudflare", 522, failures.TIMED_OUT, "error code: 522"),
    Body("cloudflare", 520, failures.SERVER, "<html>"),
    Body("gemini", 400, failures.AUTH, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}]),
    Body("gemini", 400, failures.TOO_LONG, [{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}]),
    Body("gemini", 400, failures.FORBIDDEN, [{"error": {"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}}]),
    Body("gemini", 403, failures.FORBIDDEN, [{"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}}]),
    Body("gemini", 404, failures.MISSING, [{"error": {"code": 404, "message": "models/x is not found for API version v1beta", "status": "NOT_FOUND"}}]),
    Body("gemini", 429, failures.RATE_LIMIT, [{"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: generativelanguage.googleapis.com/x, limit: 15\nPlease retry in 48.939935699s.", "status": "RESOURCE_EXHAUSTED"}}], 48.939935699),
    Body("gemini", 429, failures.RATE_LIMIT, [{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]}}], 34.4),
    Body("gemini, a day's requests", 429, failures.RATE_LIMIT, [{"error": {"code": 429, "message": "You exceeded your current quota.\nPlease retry in 48.9s.", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}]}}], 79_200.0, DATE),
    Body("gemini", 429, failures.BILLING, [{"error": {"code": 429, "message": "Your project has exceeded its monthly spending cap.", "status": "RESOURCE_EXHAUSTED"}}]),
    Body("gemini", 500, failures.SERVER, [{"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}]),
    Body("gemini", 503, failures.OVERLOADED, [{"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}]),
    Body("gemini", 504, failures.TIMED_OUT, [{"error": {"code": 504, "message": "Deadline exceeded", "status": "DEADLINE_EXCEEDED"}}]),
    Body("anthropic", 400, failures.TOO_LONG, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 3333404 tokens > 200000 maximum"}}),
    Body("anthropic", 400, failures.BILLING, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."}}),
    Body("anthropic", 413, failures.TOO_LONG, {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}),
    Body("anthropic", 529, failures.OVERLOADED, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    Body("anthropic in a stream", None, failures.OVERLOADED, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    Body("gigachat", 402, failures.BILLING, {"status": 402, "message": "Payment Required"}),
    Body("gigachat", 404, failures.MISSING, {"status": 404, "message": "No such model"}),
    Body("gigachat", 422, failures.REJECTED, {"status": 422, "message": "Invalid params: system not first"}),
    Body("gigachat", 422, failures.TOO_LONG, {"status": 422, "message": "Invalid params: context too long"}),
    Body("gigachat", 429, failures.RATE_LIMIT, {"status": 429, "message": "Too many requests"}),
    Body("xai", 400, failures.AUTH, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***yz. You can obtain an API key from https://console.x.ai."}),
    Body("xai", 429, failures.BILLING, {"code": "Some resource has been exhausted", "error": "Your team has either used all available credits or reached its monthly spending limit."}),
    Body("zai", 400, failures.MISSING, error("Unknown Model, please check the model code.", code="1211")),
    Body("zai", 429, failures.BILLING, error("Insufficient balance or no resource package. Please recharge.", code="1113")),
    Body("zai", 400, failures.TOO_LONG, error("Prompt exceeds max length", code="1261")),
    Body("zai", 400, failures.FILTERED, error("The request contains unsafe or sensitive content", code="1301")),
    Body("perplexity", 401, failures.AUTH, error("Invalid API key provided.", type="invalid_api_key", code=401)),
    Body("perplexity", 400, failures.MISSING, error("Invalid model 'x'. Permitted models can be found in the documentation", type="invalid_model", code=400)),
    Body("cerebras", 429, failures.RATE_LIMIT, error("Requests per minute limit exceeded", type="too_many_requests_error", code="request_quota_exceeded")),
    Body("anybody", 409, failures.SERVER, ""),
    Body("anybody", 410, failures.MISSING, ""),
    Body("anybody", 413, failures.TOO_LONG, ""),
    Body("anybody", 418, failures.UNEXPECTED, ""),
    Body("anybody", 405, failures.UNEXPECTED, "Method Not Allowed"),
    Body("anybody", 307, failures.UNEXPECTED, ""),
    Body("anybody", 600, failures.UNEXPECTED, ""),
    Body("anybody", 500, failures.SERVER, ""),
    Body("anybody", 500, failures.SERVER, "{"),
    Body("anybody", 500, failures.OVERLOADED, "upstream said: status code 503"),
    Body("anybody", 500, failures.SERVER, "could not fetch the picture: status code 404"),
    Body("anybody", 500, failures.SERVER, error("failed", code=599)),
    Body("anybody", 504, failures.TIMED_OUT, ""),
    Body("anybody", 429, failures.RATE_LIMIT, "", 12.0, {"retry-after": "12"}),
    Body("anybody", 429, failures.RATE_LIMIT, "null"),
    Body("anybody", 429, failures.RATE_LIMIT, "[]"),
    Body("anybody", 429, failures.RATE_LIMIT, {"error": {"message": {"text": 1}}}),
    Body("anybody in a 200", None, failures.RATE_LIMIT, {"error": "Too Many Requests"}),
    Body("anybody in a 200", None, failures.TIMED_OUT, {"error": "upstream timed out"}),
    Body("anybody in a 200", None, failures.SERVER, {"error": "boom"}),
    Body("anybody in a 200", None, failures.AUTH, {"error": {"code": "401", "message": "no"}}),
    Body("anybody in a 200", None, failures.SERVER, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    "body", BODIES, ids=[f"{n} {b.of} {b.status}" for n, b in enumerate(BODIES)]
)
def test_a_body_means_what_it_means(body: Body) -> None:
    failed = body.read()

    assert failed.failure is body.failure
    assert failed.retry_after == body.wait
    assert failed.message.startswith(f"a: {body.failure.said}")
    for shown in (failed.message, failed.detail):
        assert "://" not in shown
        assert "user_30" not in shown
        assert "org_01" not in shown
        assert shown.isprintable()


@pytest.mark.parametrize("quote", ["'{}'", '"{}"', "`{}`"])
@pytest.mark.parametrize(
    "word", ["insufficient_quota", "unknown model", "api key not valid", "flagged"]
)
def test_a_caller_cannot_choose_the_rule_by_what_is_quoted_back(
    quote: str, word: str
) -> None:
    said = error(f"Invalid value: {quote.format(word)}. It's not what we'd take.")

    failed = complaint.read(400, {}, json.dumps(said).encode(), MODEL)

    assert failed.failure is failures.REJECTED


def test_every_failure_that_a_body_can_mean_is_among_them() -> None:
    told_by_transport = {
        *("unresolved", "unreachable", "no_connect", "tls", "lost", "first_byte"),
        *("silence", "crowded", "stale"),
    }
    told_by_the_reader = {"empty", "malformed", "early_end"}
    told_before = {"expired"}
    rows = {row.name for row in vars(failures).values() if isinstance(row, Failure)}

    assert rows - {body.failure.name for body in BODIES} == (
        told_by_transport | told_by_the_reader | told_before
    )


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (400, error("bad `x`"), "a: the provider refused the request: bad `x`"),
        (
            404,
            error("No endpoints found that support tool use.", code=404),
            "a: this model's provider has no words for it: No endpoints found that support tool use.",
        ),
        (
            400,
            {
                "success": False,
                "errors": [
                    {
                        "code": 3030,
                        "message": "AiError: AiError: 5000 is too large, max width is 2048"
                        " (0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0)",
                    }
                ],
            },
            "a: the provider refused the request: 5000 is too large, max width is 2048",
        ),
        (
            422,
            {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]},
            "a: the provider refused the request: body.seed: Extra inputs",
        ),
        (
            422,
            {"object": "error", "message": {"detail": [{"msg": "x"}, {"msg": "y"}]}},
            "a: the provider refused the request: x; y",
        ),
        (400, {"error": ["one", "two"]}, "a: the provider refused the request: one"),
        (400, "plain words", "a: the provider refused the request: plain words"),
        (400, "<html>400</html>", "a: the provider refused the request."),
        (400, "", "a: the provider refused the request."),
        (
            400,
            error("outer", code=400, metadata={"raw": '{"error":{"message":"inner"}}'}),
            "a: the provider refused the request: inner",
        ),
        (
            400,
            error("outer", code=400, metadata={"raw": "inner words"}),
            "a: the provider refused the request: inner words",
        ),
        (401, error("key sk-1234567890 is wrong"), "a: the provider refused the proxy's key."),
        (500, error("stack trace"), "a: the provider failed."),
        (429, error("org_0123456789 is limited"), "a: the provider limits the rate."),
    ],
)  # fmt: skip
def test_the_client_hears_the_provider_only_where_it_can_mend_something(
    status: int, said: object, message: str
) -> None:
    body = said if isinstance(said, str) else json.dumps(said)

    assert complaint.read(status, {}, body.encode(), MODEL).message == message


@pytest.mark.parametrize("status", [400, 401, 500])
def test_neither_client_nor_log_hears_a_credential(status: int) -> None:
    headers = (("api-key", "0f1e2d3c4b5a"), ("X-Title", "my proxy"))
    upstream = Upstream("https://u/", "openai", Secret(KEY), headers)
    said = error(f"{KEY} and {KEY[:20]}... and 0f1e2d3c4b5a at https://u/x?key=1")

    failed = complaint.read(
        status, {}, json.dumps(said).encode(), model("a", upstream=upstream)
    )

    for shown in (failed.message, failed.detail, repr(failed)):
        assert "0123456789ab" not in shown
        assert "0f1e2d3c" not in shown
        assert "https" not in shown
    masked = "[key] and [key]... and [key] at [link]"
    assert failed.message.endswith(f": {masked}") == (status == 400)


@pytest.mark.parametrize(
    ("status", "said", "detail"),
    [
        (400, error("my prompt", code="invalid_value", type="bad"), "400 invalid_value bad"),
        (500, error("my prompt", code=500, type="server_error"), "500 server_error"),
        (500, "my prompt", "500"),
        (401, {"detail": "my prompt"}, "401"),
        (422, {"error": "my prompt", "error_type": "validation"}, "422 validation"),
        (None, error("my prompt", code="my prompt"), "in a 200"),
        (429, error("my prompt", code=KEY), "429 [key]"),
    ],
)  # fmt: skip
def test_the_log_hears_codes_and_no_words_that_may_quote_a_prompt(
    status: int | None, said: object, detail: str
) -> None:
    body = said if isinstance(said, str) else json.dumps(said)

    assert complaint.read(status, {}, body.encode(), MODEL).detail == detail


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8)
    | st.sampled_from([429, "429", 503, "insufficient_quota", "rate limit"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("error", "errors", "detail", "message", "msg", "loc", "code"),
                    *("status", "type", "metadata", "raw", "error_type"),
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)  # fmt: skip


@given(
    st.none() | st.integers(100, 999),
    ANY_JSON.map(lambda said: json.dumps(said).encode()) | st.binary(max_size=80),
)
@settings(deadline=None)
def test_no_body_is_a_surprise(status: int | None, body: bytes) -> None:
    failed = complaint.read(status, {}, body, MODEL)

    assert failed.model == "a"
    assert failed.retry_after is None or failed.retry_after > 0
    assert len(failed.message) < 700


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"error":' * 400 + b'"deep"' + b"}" * 400,
        b'{"message":' * 900 + b'"deep"' + b"}" * 900,
        b'{"error":{"message":"' + b"x" * 10_000_000 + b'"}}',
        b"code 429 " * 1_000_000,
    ],
    ids=["open", "arrays", "errors", "messages", "long", "words"],
)
def test_no_body_takes_long(body: bytes) -> None:
    assert complaint.read(500, {}, body, MODEL).failure.onward
