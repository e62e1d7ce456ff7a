# Rendered from gen_ai.yaml by `butterfly-otel render`: edit the contract, not this.
# pyright: basic
"""The metrics of gen_ai as typed handles: one class and one handle each.

``CATALOG`` is the contract, for ``butterfly_otel.configure(catalogs=[CATALOG])``, before which
every handle measures nothing. Labels are keyword-only and typed, so a wrong one is an error in
the editor; those with a default may be left out.

Every method is thread-safe. In production mode none raises because of what it is passed; with
``configure(strict=True)`` they raise ``LabelError`` and ``MeasurementError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from butterfly_otel.handles.rendered import (
    APART,
    HIGHEST,
    BoundHistogram,
    BoundUpDownCounter,
    Catalog,
    HistogramHandle,
    Label,
    Metric,
    Timer,
    UpDownCounterHandle,
    bisect_left,
    int_text,
    negated,
    tracing,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class ServerRequestDuration(HistogramHandle):
    """Time from a request to the last byte or token of its answer.

    ``gen_ai.server.request.duration``, histogram, unit ``s``.
    A distribution, of which the quantiles matter.

    Labels:
        gen_ai_operation_name: What was asked for. One of chat, text_completion, embeddings.
        gen_ai_provider_name: Who serves the model. At most 4 distinct values.
        gen_ai_request_model: The model that was asked for. At most 20 distinct values.
        gen_ai_response_model: The model that answered. At most 20 distinct values.
        server_port: The port of the server. At most 8 distinct values.
        error_type: How the operation failed; none if it did not. One of timeout, cancelled, _OTHER.

    Buckets: 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92.

    Example query::

        histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, error_type, le) (rate(gen_ai_server_request_duration_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        error_type: Literal["timeout", "cancelled", "_OTHER"] | None = None,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[error_type][int_text(server_port)][gen_ai_request_model][gen_ai_response_model][gen_ai_operation_name][gen_ai_provider_name]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), error_type))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        error_type: Literal["timeout", "cancelled", "_OTHER"] | None = None,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), error_type)).time()

    def bind(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        error_type: Literal["timeout", "cancelled", "_OTHER"] | None = None,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), error_type))

    def remove(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        error_type: Literal["timeout", "cancelled", "_OTHER"] | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), error_type))


server_request_duration = ServerRequestDuration(
    Metric(
        name="gen_ai.server.request.duration",
        type="histogram",
        instrument="histogram",
        why="A distribution, of which the quantiles matter.",
        unit="s",
        help="Time from a request to the last byte or token of its answer.",
        category="gen_ai",
        query="histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, error_type, le) (rate(gen_ai_server_request_duration_seconds_bucket[5m])))",
        labels=(
            Label(
                key="gen_ai.operation.name",
                kind="closed",
                help="What was asked for.",
                values=("chat", "text_completion", "embeddings"),
            ),
            Label(
                key="gen_ai.provider.name",
                kind="bounded",
                help="Who serves the model.",
                budget=4,
            ),
            Label(
                key="gen_ai.request.model",
                kind="bounded",
                help="The model that was asked for.",
                budget=20,
                default="empty",
            ),
            Label(
                key="gen_ai.response.model",
                kind="bounded",
                help="The model that answered.",
                budget=20,
                default="empty",
            ),
            Label(
                key="server.port",
                kind="bounded",
                help="The port of the server.",
                budget=8,
                default="empty",
                type="int",
            ),
            Label(
                key="error.type",
                kind="closed",
                help="How the operation failed; none if it did not.",
                values=("timeout", "cancelled", "_OTHER"),
                default="empty",
            ),
        ),
        buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
        across_why="Each process answers its own requests; buckets add up.",
    )
)


class ServerTimeToFirstToken(HistogramHandle):
    """Time to the first token of an answer that succeeds.

    ``gen_ai.server.time_to_first_token``, histogram, unit ``s``.
    A distribution, of which the quantiles matter.

    Labels:
        gen_ai_operation_name: What was asked for. One of chat, text_completion, embeddings.
        gen_ai_provider_name: Who serves the model. At most 4 distinct values.
        gen_ai_request_model: The model that was asked for. At most 20 distinct values.
        gen_ai_response_model: The model that answered. At most 20 distinct values.
        server_port: The port of the server. At most 8 distinct values.

    Buckets: 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5.

    Example query::

        histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, le) (rate(gen_ai_server_time_to_first_token_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[int_text(server_port)][gen_ai_request_model][gen_ai_response_model][gen_ai_operation_name][gen_ai_provider_name]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port)))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port))).time()

    def bind(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port)))

    def remove(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port)))


server_time_to_first_token = ServerTimeToFirstToken(
    Metric(
        name="gen_ai.server.time_to_first_token",
        type="histogram",
        instrument="histogram",
        why="A distribution, of which the quantiles matter.",
        unit="s",
        help="Time to the first token of an answer that succeeds.",
        category="gen_ai",
        query="histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, le) (rate(gen_ai_server_time_to_first_token_seconds_bucket[5m])))",
        labels=(
            Label(
                key="gen_ai.operation.name",
                kind="closed",
                help="What was asked for.",
                values=("chat", "text_completion", "embeddings"),
            ),
            Label(
                key="gen_ai.provider.name",
                kind="bounded",
                help="Who serves the model.",
                budget=4,
            ),
            Label(
                key="gen_ai.request.model",
                kind="bounded",
                help="The model that was asked for.",
                budget=20,
                default="empty",
            ),
            Label(
                key="gen_ai.response.model",
                kind="bounded",
                help="The model that answered.",
                budget=20,
                default="empty",
            ),
            Label(
                key="server.port",
                kind="bounded",
                help="The port of the server.",
                budget=8,
                default="empty",
                type="int",
            ),
        ),
        buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
        across_why="Each process measures its own part; the parts add up.",
    )
)


class ServerTimePerOutputToken(HistogramHandle):
    """Time of each token after the first, of answers that succeed.

    ``gen_ai.server.time_per_output_token``, histogram, unit ``s``.
    A distribution, of which the quantiles matter.

    Labels:
        gen_ai_operation_name: What was asked for. One of chat, text_completion, embeddings.
        gen_ai_provider_name: Who serves the model. At most 4 distinct values.
        gen_ai_request_model: The model that was asked for. At most 20 distinct values.
        gen_ai_response_model: The model that answered. At most 20 distinct values.
        server_port: The port of the server. At most 8 distinct values.

    Buckets: 0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
    10.0.

    Example query::

        histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, le) (rate(gen_ai_server_time_per_output_token_seconds_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[int_text(server_port)][gen_ai_request_model][gen_ai_response_model][gen_ai_operation_name][gen_ai_provider_name]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port)))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def time(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> Timer:
        """Time a ``with`` block, or every call of a decorated function, in seconds."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port))).time()

    def bind(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port)))

    def remove(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port)))


server_time_per_output_token = ServerTimePerOutputToken(
    Metric(
        name="gen_ai.server.time_per_output_token",
        type="histogram",
        instrument="histogram",
        why="A distribution, of which the quantiles matter.",
        unit="s",
        help="Time of each token after the first, of answers that succeed.",
        category="gen_ai",
        query="histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, le) (rate(gen_ai_server_time_per_output_token_seconds_bucket[5m])))",
        labels=(
            Label(
                key="gen_ai.operation.name",
                kind="closed",
                help="What was asked for.",
                values=("chat", "text_completion", "embeddings"),
            ),
            Label(
                key="gen_ai.provider.name",
                kind="bounded",
                help="Who serves the model.",
                budget=4,
            ),
            Label(
                key="gen_ai.request.model",
                kind="bounded",
                help="The model that was asked for.",
                budget=20,
                default="empty",
            ),
            Label(
                key="gen_ai.response.model",
                kind="bounded",
                help="The model that answered.",
                budget=20,
                default="empty",
            ),
            Label(
                key="server.port",
                kind="bounded",
                help="The port of the server.",
                budget=8,
                default="empty",
                type="int",
            ),
        ),
        buckets=(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
        across_why="Each process measures its own part; the parts add up.",
    )
)


class ClientTokenUsage(HistogramHandle):
    """Tokens that an operation has read or made.

    ``gen_ai.client.token.usage``, histogram, unit ``{token}``.
    A distribution, of which the quantiles matter.

    Labels:
        gen_ai_operation_name: What was asked for. One of chat, text_completion, embeddings.
        gen_ai_provider_name: Who serves the model. At most 4 distinct values.
        gen_ai_request_model: The model that was asked for. At most 20 distinct values.
        gen_ai_response_model: The model that answered. At most 20 distinct values.
        server_port: The port of the server. At most 8 distinct values.
        gen_ai_token_type: Whether tokens were read or made. One of input, output.

    Buckets: 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0,
    4194304.0, 16777216.0, 67108864.0.

    Example query::

        histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, gen_ai_token_type, le) (rate(gen_ai_client_token_usage_bucket[5m])))
    """

    __slots__ = ()

    def record(
        self,
        value: float,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        gen_ai_token_type: Literal["input", "output"],
    ) -> None:
        """Record one value, 0 or more."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[int_text(server_port)][gen_ai_request_model][gen_ai_response_model][gen_ai_token_type][gen_ai_operation_name][gen_ai_provider_name]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), gen_ai_token_type))
        if (
            (type(value) is float or type(value) is int)
            and 0.0 <= value <= HIGHEST
            and (tracing.quiet or not tracing.current())
            and cell.ready
        ):
            if value < cell.low or value > cell.high:
                cell.widen(value)
            index = bisect_left(cell.bounds, value)
            counts = cell.counts
            counts[index], cell.total = counts[index] + 1, cell.total + value
            return
        cell.record(value)

    def bind(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        gen_ai_token_type: Literal["input", "output"],
    ) -> BoundHistogram:
        """Return this metric with these labels given, for hot paths."""
        return BoundHistogram(self, (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), gen_ai_token_type))

    def remove(
        self,
        *,
        gen_ai_operation_name: Literal["chat", "text_completion", "embeddings"],
        gen_ai_provider_name: str,
        gen_ai_request_model: str | None = None,
        gen_ai_response_model: str | None = None,
        server_port: int | None = None,
        gen_ai_token_type: Literal["input", "output"],
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, int_text(server_port), gen_ai_token_type))


client_token_usage = ClientTokenUsage(
    Metric(
        name="gen_ai.client.token.usage",
        type="histogram",
        instrument="histogram",
        why="A distribution, of which the quantiles matter.",
        unit="{token}",
        help="Tokens that an operation has read or made.",
        category="gen_ai",
        query="histogram_quantile(0.99, sum by (gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, gen_ai_response_model, server_port, gen_ai_token_type, le) (rate(gen_ai_client_token_usage_bucket[5m])))",
        labels=(
            Label(
                key="gen_ai.operation.name",
                kind="closed",
                help="What was asked for.",
                values=("chat", "text_completion", "embeddings"),
            ),
            Label(
                key="gen_ai.provider.name",
                kind="bounded",
                help="Who serves the model.",
                budget=4,
            ),
            Label(
                key="gen_ai.request.model",
                kind="bounded",
                help="The model that was asked for.",
                budget=20,
                default="empty",
            ),
            Label(
                key="gen_ai.response.model",
                kind="bounded",
                help="The model that answered.",
                budget=20,
                default="empty",
            ),
            Label(
                key="server.port",
                kind="bounded",
                help="The port of the server.",
                budget=8,
                default="empty",
                type="int",
            ),
            Label(
                key="gen_ai.token.type",
                kind="closed",
                help="Whether tokens were read or made.",
                values=("input", "output"),
            ),
        ),
        buckets=(1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0),
        across_why="Each process measures its own part; the parts add up.",
    )
)


class ServerRequestsInFlight(UpDownCounterHandle):
    """Requests that are being answered.

    ``gen_ai.server.requests_in_flight``, gauge, unit ``{request}``.
    Moved up and down by those who take part.

    Labels:
        gen_ai_request_model: The model that was asked for. At most 20 distinct values.

    Example query::

        sum by (gen_ai_request_model) (gen_ai_server_requests_in_flight)
    """

    __slots__ = ()

    def add(
        self,
        amount: float,
        *,
        gen_ai_request_model: str,
    ) -> None:
        """Add ``amount``, which may be negative."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[gen_ai_request_model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_request_model,))
        cell.record(amount)

    def inc(
        self,
        amount: float = 1,
        *,
        gen_ai_request_model: str,
    ) -> None:
        """Add ``amount``, by default one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[gen_ai_request_model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_request_model,))
        cell.record(amount)

    def dec(
        self,
        amount: float = 1,
        *,
        gen_ai_request_model: str,
    ) -> None:
        """Subtract ``amount``, by default one."""
        cells = self._cells
        if cells is None:
            return
        try:
            cell = (cells.here if APART else cells)[gen_ai_request_model]
        except Exception:  # unknown, or no label value at all
            cell = self.find((gen_ai_request_model,))
        cell.record(negated(amount))

    def track(
        self,
        *,
        gen_ai_request_model: str,
    ) -> AbstractContextManager[None]:
        """Count one more for as long as a ``with`` block runs, however it ends."""
        return BoundUpDownCounter(self, (gen_ai_request_model,)).track()

    def bind(
        self,
        *,
        gen_ai_request_model: str,
    ) -> BoundUpDownCounter:
        """Return this metric with these labels given, for hot paths."""
        return BoundUpDownCounter(self, (gen_ai_request_model,))

    def remove(
        self,
        *,
        gen_ai_request_model: str,
    ) -> None:
        """End the series with these labels; measuring it again begins a new one."""
        self._remove((gen_ai_request_model,))


server_requests_in_flight = ServerRequestsInFlight(
    Metric(
        name="gen_ai.server.requests_in_flight",
        type="gauge",
        instrument="up_down_counter",
        why="Moved up and down by those who take part.",
        unit="{request}",
        help="Requests that are being answered.",
        category="gen_ai",
        query="sum by (gen_ai_request_model) (gen_ai_server_requests_in_flight)",
        labels=(
            Label(
                key="gen_ai.request.model",
                kind="bounded",
                help="The model that was asked for.",
                budget=20,
            ),
        ),
        across_why="Each process measures its own part; the parts add up.",
    )
)


#: Every handle of the contract, in its order.
ALL = (
    server_request_duration,
    server_time_to_first_token,
    server_time_per_output_token,
    client_token_usage,
    server_requests_in_flight,
)

#: The contract.
CATALOG = Catalog(
    name="gen_ai",
    meter="gen_ai.server",
    metrics=tuple(handle.metric for handle in ALL),
    prefix="gen_ai.",
    handles=ALL,
    exceptions=(),
)

__all__ = [
    "ALL",
    "CATALOG",
    "ClientTokenUsage",
    "ServerRequestDuration",
    "ServerRequestsInFlight",
    "ServerTimePerOutputToken",
    "ServerTimeToFirstToken",
    "client_token_usage",
    "server_request_duration",
    "server_requests_in_flight",
    "server_time_per_output_token",
    "server_time_to_first_token",
]
