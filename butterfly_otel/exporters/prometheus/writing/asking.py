"""Asking what may hang or raise, so that it costs its own answer and no other.

Collectors and callbacks are other people's code. They are asked in turn on a thread of the
scrape; what keeps that thread waiting is left to it, and another thread goes on with the rest.
What has not answered when time is up is left out, and is not asked again while it is still at
the last question.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from butterfly_otel.process import forks
from butterfly_otel.process.threads import Condition, Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

#: Seconds after which others no longer wait for an answer.
_PATIENCE = 0.1
#: The part of the time in which who was late before may come to an end, to be asked again.
_SECOND_CHANCE = 0.1


class Question(Generic[T]):
    """Something that somebody is asked once.

    Args:
        subject: Who is asked; one question at a time once it has been late.
        ask: Gives the answers.

    Attributes:
        answers: What was answered before it ended, raised, or time was up.
        error: What it raised, of any kind.
        late: Whether it had not ended when time was up.
        began: When it was put, on the monotonic clock; None before.
        ended: Whether it has ended, however late.
    """

    def __init__(self, subject: object, ask: Callable[[], Iterable[T]]) -> None:
        self.subject = subject
        self.answers: list[T] = []
        self.error: BaseException | None = None
        self.late = False
        self.began: float | None = None
        self.ended = False
        self._ask = ask

    def put(self) -> None:
        """Ask; never raises."""
        answers = self.answers
        try:
            # One by one: what was answered before an exception stands.
            for answer in self._ask():
                answers.append(answer)
        except BaseException as error:  # noqa: BLE001 - SystemExit and CancelledError as well
            self.error = error

    def put_here(self) -> None:
        """Ask somebody who does not hang; what ends the asking thread is not held back."""
        try:
            self.answers += self._ask()
        except Exception as error:  # noqa: BLE001 - told by who asks
            self.error = error

    def give_up(self) -> None:
        """Leave it to whatever it does: what it answers from now on is not looked at."""
        self.late = True
        self.answers = self.answers[:]


class Asker:
    """Asks many things at a time, and remembers which have not answered. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        #: By identity, who is still at a question that was given up.
        self._stuck: dict[int, object] = {}
        forks.call_in_child(self._forget)

    def ask(self, questions: Sequence[Question[Any]], deadline: float) -> None:
        """Ask everything; return when all have answered, or when time is up.

        Args:
            questions: What to ask, each of another subject.
            deadline: Until when, on the monotonic clock.
        """
        self.begin(questions, deadline).finish(deadline)

    def begin(self, questions: Sequence[Question[Any]], deadline: float) -> Round:
        """Begin to ask; :meth:`Round.finish` waits for the answers."""
        self._give_up_stuck(questions, deadline)
        if monotonic() >= deadline:
            for each in questions:
                each.give_up()
        asked = [each for each in questions if not each.late]
        return Round(self._changed, self._stuck, asked)

    def _give_up_stuck(self, questions: Sequence[Question[Any]], deadline: float) -> None:
        if not self._stuck:
            return
        subjects = {id(each.subject) for each in questions}
        with self._changed:
            patience = (deadline - monotonic()) * _SECOND_CHANCE
            self._changed.wait_for(lambda: subjects.isdisjoint(self._stuck), patience)
            for each in questions:
                if id(each.subject) in self._stuck:
                    each.give_up()

    def _forget(self) -> None:
        """Start anew in a forked child, which has none of the parent's threads."""
        self._changed = Condition()
        self._stuck = {}


class Round:
    """Questions that are asked in turn, by one thread more than are held up."""

    def __init__(
        self, changed: Condition, stuck: dict[int, object], questions: list[Question[Any]]
    ) -> None:
        self._changed = changed
        self._stuck = stuck
        self._questions = questions
        self._queue = deque(questions)
        self._left = len(questions)
        # Whether a thread has been started that has not put a question yet.
        self._starting = False
        if questions:
            self._start()

    def finish(self, deadline: float) -> None:
        """Wait until all have answered or time is up."""
        with self._changed:
            while self._left and (now := monotonic()) < deadline:
                until = deadline
                if self._queue:
                    until = min(until, (now if self._starting else self._newest()) + _PATIENCE)
                    if now >= until:
                        self._start()
                        continue
                self._changed.wait(until - now)
            self._queue.clear()
            for each in self._questions:
                if not each.ended:
                    each.give_up()
                    if each.began is not None:
                        self._stuck[id(each.subject)] = each.subject

    def _newest(self) -> float:
        """Return when the latest question that is not answered was put."""
        return max(
            (each.began for each in self._questions if each.began is not None and not each.ended),
            default=monotonic(),
        )

    def _start(self) -> None:
        self._starting = True
        try:
            Thread(self._work, name="butterfly-otel-scrape").start()
        except RuntimeError:
            # No more threads, or the interpreter is ending: then whoever scrapes has to wait.
            self._work()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._starting = False
                if not self._queue:
                    return
                question = self._queue.popleft()
                question.began = monotonic()
            question.put()
            with self._changed:
                question.ended = True
                self._left -= 1
                if question.late:
                    self._stuck.pop(id(question.subject), None)
                if question.late or not self._left:
                    self._changed.notify_all()
