"""Functions of a module of their own, as an application has them: they can be pickled."""

from __future__ import annotations

from butterfly_otel import request


@request(method="inference")
def double(number: int, *, plus: int = 0) -> int:
    """Return twice the number."""
    return 2 * number + plus


@request(method="inference")
class Service:
    """Methods of every kind; only public ones are requests."""

    def __init__(self) -> None:
        self.inner = 3

    def whole(self) -> int:
        """Call a private method, which is no request."""
        return self._part()

    @classmethod
    def made(cls) -> Service:
        """Return a new one."""
        return cls()

    @staticmethod
    def fixed(number: int) -> int:
        """Return the number."""
        return number

    @request(method="checkpoint")
    async def saved(self) -> int:
        """Be a request of another method, and of that one only."""
        return self.inner

    @property
    def state(self) -> int:
        """Be an attribute, which is no request."""
        return self.inner

    def _part(self) -> int:
        return self.inner
