"""What a provider's answer to a text means: taken, refused, or not for us to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lifecycle.records.mailer import Refused, Unreachable, Unsure
from lifecycle.records.posting import Answer, post

# A gateway says these when it does not know what became of the request behind it.
_NOBODY_KNOWS: Final = (502, 504)
_REFUSED_LOGIN: Final = 401
_SLOWER: Final = 429


class TextRefused(Refused):
    """The provider will not have this text. `is_stop` tells that whom it is for wants no SMS."""

    def __init__(self, words: str, *, is_final: bool, is_stop: bool = False) -> None:
        Exception.__init__(self, " ".join(words.split())[:500])
        self.is_final = is_final
        self.is_stop = is_stop


def ask(url: str, content: bytes, headers: Mapping[str, str], before_sending: Callable[[], None]) -> Answer:
    """Post to a provider, and return an answer of their own: taken, or a refusal of this request.

    Raises:
        Unreachable: nobody is there, or they do not let us in; nothing was handed over.
        Unsure: no answer came to what was handed over, or one from halfway.
    """
    answer = post(url, content, headers, before_sending=before_sending)
    status = answer.status
    if status in _NOBODY_KNOWS:
        raise Unsure(f"The provider's gateway answered {status}.")
    if status == _REFUSED_LOGIN or not (200 <= status < 300 or status >= 400):
        raise Unreachable(f"The provider answered {status}: {answer.said}")
    return answer


def refusal(status: int, words: str, *, is_stop: bool = False) -> TextRefused:
    """Return how an answer that took nothing is told: final, unless the provider is busy or broken."""
    is_busy = status >= 500 or status == _SLOWER
    return TextRefused(f"{status} {words}", is_final=not is_busy, is_stop=is_stop)
