"""How the echo provider says no.

Source: OpenAI API reference, "Error codes"; wording as its API answers in 2025.
"""

import attrs


@attrs.frozen(kw_only=True)
class Refused(Exception):
    """A request the echo provider does not answer.

    `message` is read by the client. `param` is the path of the field at fault, such
    as `messages[0].content`.
    """

    message: str
    param: str | None = None
    code: str | None = None
    status: int = 400
    type: str = "invalid_request_error"

    def __str__(self) -> str:
        return self.message

    @property
    def envelope(self) -> dict[str, object]:
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }
