"""Users, passwords and tokens: who passes, what it costs, and what many failures lead to."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from butterfly_otel import ConfigurationError
from butterfly_otel.exporters.prometheus.securing import passwords, refusals, sources, tokens
from butterfly_otel.exporters.prometheus.securing.security import Security
from butterfly_otel.exporters.prometheus.serving.site import Request
from butterfly_otel.settings.exporters import PrometheusSettings
from tests.certificates import HASHED, Certificates, basic, bearer

from .conftest import BODY, LONG, Endpoint


class Gate:
    """A gate without a server."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.refused: Counter[str] = Counter()
        self.folder = folder
        self.security = Security(PrometheusSettings(**settings), self.count)

    def count(self, why: str) -> None:
        self.refused[why] += 1

    def ask(self, headers: dict[str, str], client: str = "10.0.0.1") -> str:
        """Return the status of a refusal; empty where there is none."""
        lower = {name.lower(): value for name, value in headers.items()}
        refusal = self.security.refuse(Request("GET", "/metrics", "", lower, client))
        return "" if refusal is None else refusal.status


@pytest.fixture
def users(tmp_path: Path) -> Gate:
    """Return a gate that knows alice, and bob by a long password."""
    long = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users:\n  alice: {HASHED}\n  bob: {long}\n")
    return Gate(tmp_path, web_config=path)


@pytest.fixture
def token(tmp_path: Path) -> Gate:
    """Return a gate that knows two tokens."""
    path = tmp_path / "token"
    path.write_text("first-token\n\n  second.token==\n")
    return Gate(tmp_path, bearer_token_file=path)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Count what is hashed."""
    made: list[bytes] = []
    real = bcrypt.checkpw

    def check(password: bytes, hashed: bytes) -> bool:
        made.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    return made


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        (basic("alice"), "", None),
        (basic("bob", "x" * 72), "", None),
        # Go and htpasswd look at so many bytes as well.
        (basic("bob", "x" * 100), "", None),
        (basic("bob", "x" * 71), "401 Unauthorized", "wrong_credentials"),
        (basic("alice", "Secret"), "401 Unauthorized", "wrong_credentials"),
        (basic("alice", ""), "401 Unauthorized", "wrong_credentials"),
        (basic("alice", "secret\0"), "401 Unauthorized", "wrong_credentials"),
        (basic("Alice"), "401 Unauthorized", "wrong_credentials"),
        (basic("", ""), "401 Unauthorized", "wrong_credentials"),
        (basic("carol"), "401 Unauthorized", "wrong_credentials"),
        (bearer("secret"), "401 Unauthorized", "wrong_credentials"),
        ({"Authorization": "Basic"}, "401 Unauthorized", "wrong_credentials"),
        ({"Authorization": "Basic !!!"}, "401 Unauthorized", "wrong_credentials"),
        ({"Authorization": "Basic YWxpY2U="}, "401 Unauthorized", "wrong_credentials"),
        ({"Authorization": "Basic \u00fc\u00fc"}, "401 Unauthorized", "wrong_credentials"),
        ({"Authorization": "secret"}, "401 Unauthorized", "wrong_credentials"),
        (
            {"Authorization": ", ".join([basic("alice")["Authorization"]] * 2)},
            "401 Unauthorized",
            "wrong_credentials",
        ),
        ({}, "401 Unauthorized", "missing_credentials"),
    ],
)
def test_users(users: Gate, headers: dict[str, str], status: str, reason: str | None) -> None:
    """A user passes by the right password alone; anything else is 401, counted by its reason."""
    for _ in range(2):
        assert users.ask(headers) == status
    assert users.refused == ({reason: 2} if reason else {})


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        (bearer("first-token"), True),
        (bearer("second.token=="), True),
        ({"Authorization": "bearer  first-token "}, True),
        (bearer("first-toke"), False),
        (bearer("first-tokens"), False),
        (bearer(""), False),
        (bearer("\u00fc"), False),
        (basic("first-token", ""), False),
        ({"Authorization": "Basic first-token"}, False),
        ({"Authorization": "first-token"}, False),
        ({}, False),
    ],
)
def test_tokens(token: Gate, headers: dict[str, str], passes: bool) -> None:  # noqa: FBT001
    """Any of the tokens in the file lets in, and nothing like them does."""
    assert token.ask(headers) == ("" if passes else "401 Unauthorized")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "which is empty"), ("\n \n", "which is empty"), ("ok\na b\n", "line 2 is not a token")],
)
def test_a_file_without_tokens_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    """An empty file, or one that is no token, is said without what is in it."""
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        Gate(tmp_path, bearer_token_file=path)
    assert "a b" not in str(caught.value)


def test_a_refusal_says_how_to_be_let_in(tmp_path: Path) -> None:
    """401 names each scheme that there is."""
    web, token = tmp_path / "web.yml", tmp_path / "token"
    web.write_text(f"basic_auth_users: {{alice: {HASHED}}}")
    token.write_text("t")
    gate = Gate(tmp_path, web_config=web, bearer_token_file=token)
    refusal = gate.security.refuse(Request("GET", "/"))
    assert refusal is not None
    asked = [value.split()[0] for name, value in refusal.headers if name == "WWW-Authenticate"]
    assert asked == ["Basic", "Bearer"]
    assert gate.ask(basic("alice")) == gate.ask(bearer("t")) == ""


def test_a_password_is_hashed_once(users: Gate, checks: list[bytes]) -> None:
    """A scraper's password costs a hash at its first scrape, and so does a wrong one."""
    for _ in range(5):
        assert users.ask(basic("alice")) == ""
        assert users.ask(basic("alice", "wrong")) == "401 Unauthorized"
    assert len(checks) == 2


def test_a_user_who_is_not_there_costs_a_hash_too(users: Gate, checks: list[bytes]) -> None:
    """The time of an answer does not tell which users there are."""
    users.ask(basic("alice", "wrong"))
    users.ask(basic("nobody", "wrong"))
    assert len(checks) == 2
    assert passwords.is_hash(checks[1])


def test_wrong_passwords_are_bounded(users: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million guesses do not fill the memory, and a scraper's password stays known."""
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, _: password == b"secret")
    known = users.security._credentials._passwords
    hashes = users.security._state.web.users
    assert known.check(hashes, b"alice", b"secret") == "right"
    for number in range(2_000):
        assert known.check(hashes, b"alice", str(number).encode()) == "wrong"
    assert len(known._wrong) <= passwords._MOST_WRONG
    assert known.known(hashes, b"alice", b"secret") == "right"


def test_digests_are_compared_in_constant_time(
    users: Gate, token: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens, and passwords that are remembered, are compared by ``hmac.compare_digest``."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(tokens, "compare_digest", compare)
    monkeypatch.setattr(passwords, "compare_digest", compare)
    token.ask(bearer("first-token"))
    # Both tokens, though the first may be the one.
    assert len(compared) == 2
    compared.clear()
    users.ask(basic("alice"))
    assert compared
    assert not [pair for pair in compared if b"secret" in b"".join(pair)]


def test_neither_passwords_nor_tokens_are_kept(users: Gate, token: Gate) -> None:
    """What is remembered of a password is of no use elsewhere."""
    users.ask(basic("alice"))
    users.ask(basic("alice", "wrong-guess"))
    token.ask(bearer("first-token"))
    kept = vars(users.security._credentials._passwords)
    assert b"secret" not in repr(kept).encode()
    assert "wrong-guess" not in repr(kept)
    assert "first-token" not in repr(token.security._state)


def test_many_failures_slow_down_their_source_alone(
    users: Gate, checks: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some guesses a source waits and nothing is hashed for it; a scraper beside it passes.

    That is one of another address, and one of the same address that has passed before.
    """
    now = [1000.0]
    monkeypatch.setattr(sources, "monotonic", lambda: now[0])
    assert users.ask(basic("alice"), "10.0.0.9") == ""
    for number in range(10):
        assert users.ask(basic("alice", f"guess-{number}"), "10.0.0.9") == "401 Unauthorized"
    hashed = len(checks)
    for number in range(100):
        assert users.ask(basic("alice", f"more-{number}"), "10.0.0.9") == "429 Too Many Requests"
    assert len(checks) == hashed
    assert users.refused == {"wrong_credentials": 10, "too_many_failures": 100}
    assert users.ask(basic("alice"), "10.0.0.9") == ""
    assert users.ask(basic("bob", "x" * 72), "10.0.0.1") == ""
    now[0] += 7
    assert users.ask(basic("alice", "one-more"), "10.0.0.9") == "401 Unauthorized"
    assert users.ask(basic("alice", "another"), "10.0.0.9") == "429 Too Many Requests"


def test_guesses_beyond_the_limit_learn_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that has to wait is told the same of a right password or token as of a wrong one.

    Also of those that a scraper uses all the time; else one could guess as fast as one can ask.
    """
    monkeypatch.setattr(sources, "monotonic", lambda: 1000.0)
    web, token = tmp_path / "web.yml", tmp_path / "token"
    web.write_text(f"basic_auth_users: {{alice: {HASHED}}}")
    token.write_text("t0ken")
    gate = Gate(tmp_path, web_config=web, bearer_token_file=token)
    assert gate.ask(basic("alice"), "10.0.0.1") == gate.ask(bearer("t0ken"), "10.0.0.2") == ""
    for number in range(10):
        assert gate.ask(bearer(f"guess-{number}"), "10.0.0.9") == "401 Unauthorized"
    for right in (basic("alice"), bearer("t0ken")):
        assert gate.ask(right, "10.0.0.9") == "429 Too Many Requests"
    # Who scrapes goes on; as somebody else, from the same address, it begins anew.
    for _ in range(3):
        assert gate.ask(basic("alice"), "10.0.0.1") == gate.ask(bearer("t0ken"), "10.0.0.2") == ""
        assert gate.ask(bearer("t0ken"), "10.0.0.1") == ""


def test_who_has_to_wait_is_told_for_how_long(users: Gate) -> None:
    """429 has Retry-After in whole seconds."""
    for number in range(11):
        request = Request("GET", "/", headers={"authorization": f"Bearer {number}"}, client="a")
        refusal = users.security.refuse(request)
    assert refusal is not None
    assert refusal.status == "429 Too Many Requests"
    assert 1 <= int(dict(refusal.headers)["Retry-After"]) <= 6


def test_a_forgotten_password_costs_the_right_one_nothing(users: Gate) -> None:
    """A hundred scrapes that are right leave room for as many mistakes as before."""
    for number in range(100):
        assert users.ask(basic("alice")) == ""
        assert users.ask(basic("bob", "x" * 72 + str(number))) == ""
    assert users.ask(basic("alice", "x")) == "401 Unauthorized"


def test_sources_are_bounded() -> None:
    """A million addresses do not fill the memory."""
    known = sources.Sources()
    for number in range(5_000):
        assert known.begin(str(number)) == 0.0
    assert len(known._over) <= sources._MOST
    for number in range(5_000):
        known.let_pass(str(number), b"alice")
        # One that goes on scraping is not forgotten for those that come and go.
        assert known.has_passed("0", b"alice")
    assert len(known._passed) <= sources._MOST


def test_few_passwords_wait_for_being_hashed(users: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many guesses come at once, from anywhere, few threads wait, and a scraper passes."""
    assert users.ask(basic("alice")) == ""
    release, inside = threading.Event(), threading.Semaphore(0)

    def slow(password: bytes, hashed: bytes) -> bool:
        del password, hashed
        inside.release()
        assert release.wait(LONG)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    answers: list[str] = []

    def guess(number: int) -> None:
        answers.append(users.ask(basic("alice", f"guess-{number}"), f"10.1.0.{number}"))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(20)]
    for each in threads:
        each.start()
    assert inside.acquire(timeout=LONG)
    deadline = time.monotonic() + LONG
    while len(answers) < 20 - passwords._MOST_WAITING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # While one is hashed and some wait, who is known passes.
    assert users.ask(basic("alice"), "10.0.0.1") == ""
    release.set()
    for each in threads:
        each.join(LONG)
    assert answers.count("401 Unauthorized") == passwords._MOST_WAITING
    assert answers.count("429 Too Many Requests") == 20 - passwords._MOST_WAITING


def test_failures_are_told_once_and_without_the_secret(
    users: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has a line for the first of each kind from each source, and no password."""
    caplog.set_level(logging.DEBUG)
    for client in ("10.0.0.1", "10.0.0.2", "evil\n10.0.0.3"):
        for number in range(20):
            users.ask(basic("alice", f"hunter{number}"), client)
    lines = [each.getMessage() for each in caplog.records]
    assert len(lines) == 6
    assert all(line.startswith("A scrape from ") for line in lines)
    assert not any("hunter" in line or "\n" in line for line in lines)
    encoded = base64.b64encode(b"alice:hunter1").decode()
    assert not any(encoded in line for line in lines)


def test_lines_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand addresses leave a few lines, and are all counted."""
    counted: Counter[str] = Counter()
    told = refusals.Refusals(lambda why: counted.update([why]))
    for number in range(1_000):
        told.add("wrong_credentials", f"10.0.{number // 250}.{number % 250}")
    assert counted["wrong_credentials"] == 1_000
    assert len(caplog.records) == refusals._BURST


def test_a_rate_limit_is_for_those_who_may_scrape(tmp_path: Path) -> None:
    """Requests beyond the limit are 429; who has no password uses none of it up."""
    path = tmp_path / "web.yml"
    path.write_text(
        f"basic_auth_users: {{alice: {HASHED}}}\nrate_limit: {{interval: 1h, burst: 2}}\n"
    )
    gate = Gate(tmp_path, web_config=path)
    for _ in range(5):
        assert gate.ask({}) == "401 Unauthorized"
    answers = [gate.ask(basic("alice")) for _ in range(4)]
    assert answers == ["", "", "429 Too Many Requests", "429 Too Many Requests"]
    assert gate.refused == {"missing_credentials": 5, "rate_limit": 2}


def test_headers_are_added_to_every_answer(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """What ``http_server_config.headers`` names is on answers and refusals alike."""
    headers = {"X-Frame-Options": "deny", "X-Content-Type-Options": "", "X-XSS-Protection": "0"}
    running = endpoint(
        web_config=certificates.web(
            http_server_config={"headers": headers, "http2": False},
            basic_auth_users={"alice": HASHED},
        )
    )
    for credentials, status in (({}, 401), (basic("alice"), 200)):
        connection = running.connect(certificates.trusting())
        connection.request("GET", "/metrics", headers=credentials)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == status
        assert answer.headers["X-Frame-Options"] == "deny"
        assert answer.headers["X-XSS-Protection"] == "0"
        assert "X-Content-Type-Options" not in answer.headers


def test_users_are_asked_for_in_clear_as_well(
    certificates: Certificates, endpoint: Callable[..., Endpoint]
) -> None:
    """Authentication goes without TLS, as with the toolkit."""
    path = certificates.folder / "users.yml"
    path.write_text(f"basic_auth_users: {{alice: {HASHED}}}")
    running = endpoint(web_config=path)
    assert running.server.url.startswith("http://")
    assert running.get(basic("alice")) == (200, BODY)
    assert running.get(basic("alice", "wrong"))[0] == 401
    assert running.get()[0] == 401
    assert running.refused == {"wrong_credentials": 1, "missing_credentials": 1}
