"""A page in a browser, with everything it asks for and everything it complains of."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from typing_extensions import Self

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Milliseconds for what should come at once, on a slow machine.
PATIENCE = 60_000


class Watched:
    """A page that is open.

    Args:
        browser: The browser.
        url: What is opened.
        hurried: Whether :meth:`poll` may put its clock forward.
        settings: Of the browser's context, such as `viewport`.
    """

    def __init__(
        self, browser: Browser, url: str, *, hurried: bool = False, **settings: Any
    ) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self._context = browser.new_context(reduced_motion="reduce", **settings)
        self._context.set_default_timeout(PATIENCE)
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self._complain("error", str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", self._alarm)
        if hurried:
            self.page.clock.install()
        self.page.goto(url)
        self._origin = urlsplit(url).netloc

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def _alarm(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    @property
    def samples(self) -> int:
        """How often the page has read the metrics."""
        return int(self.page.evaluate("Number(document.body.dataset.samples || 0)"))

    def wait_for_samples(self, least: int) -> None:
        """Wait until the page has read the metrics so often."""
        self.page.wait_for_function(
            "least => Number(document.body.dataset.samples || 0) >= least", arg=least
        )

    def poll(self) -> None:
        """Let a hurried page read metrics that are newer."""
        before, deadline = self.samples, monotonic() + PATIENCE / 1000
        while self.samples == before:
            assert monotonic() < deadline, "the page reads nothing more"
            # In steps: what is asked meanwhile must not be asked twice.
            self.page.clock.run_for(400)
            sleep(0.02)

    def settle(self) -> None:
        """Let a hurried page draw what it has to draw."""
        self.page.clock.run_for(200)

    def card(self, name: str) -> Any:
        """Return the card of a metric."""
        return self.page.locator(f'.card[data-metric="{name}"]')

    def shown(self) -> list[str]:
        """Return the names of the metrics whose cards are there."""
        cards = self.page.locator(".card:not([hidden])")
        names: list[str] = cards.evaluate_all("cards => cards.map(each => each.dataset.metric)")
        return names

    def elsewhere(self) -> list[str]:
        """Return what was asked of anybody but the node that is shown."""
        return [url for url in self.asked if urlsplit(url).netloc not in {self._origin, ""}]
