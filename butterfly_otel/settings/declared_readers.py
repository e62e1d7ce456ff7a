"""The readers of a declarative configuration, as the settings that ask for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.settings.kinds import unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Settings by name, each with its value and its place.
_Found = dict[str, tuple[object, str]]

_STRATEGIES: Final = {
    "underscore_escaping_with_suffixes": "UnderscoreEscapingWithSuffixes",
    "underscore_escaping_without_suffixes/development": "UnderscoreEscapingWithoutSuffixes",
    "no_utf8_escaping_with_suffixes/development": "NoUTF8EscapingWithSuffixes",
    "no_translation/development": "NoTranslation",
}
_MILLISECONDS: Final = 1000


class Section:
    """A mapping of a file, which knows where it stands.

    Args:
        values: The mapping.
        file: What names the file behind a key.
        path: The keys that lead to it.
    """

    def __init__(self, values: dict[str, Any], file: str, path: str = "") -> None:
        self.values = values
        self._file = file
        self._path = path

    @property
    def here(self) -> str:
        """Where the mapping stands."""
        return f"{self._path} {self._file}"

    def get(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """Return a value; None where it is left out, or null, which says the same."""
        return self.values.get(key)

    def place(self, key: str) -> str:
        """Return where a key stands."""
        return f"{self._path}{'.' if self._path else ''}{key} {self._file}"

    def section(self, key: str) -> Section | None:
        """Return a mapping in it; None where its key is left out."""
        if key not in self.values:
            return None
        inner = cast("dict[str, Any]", self.values[key] or {})
        return Section(inner, self._file, f"{self._path}{'.' if self._path else ''}{key}")

    def only(self) -> tuple[str, Section]:
        """Return the one key it has, and what is in there."""
        (key,) = self.values
        inner = self.section(key)
        assert inner is not None  # noqa: S101 - it was found a line above
        return key, inner

    def items(self, key: str) -> Iterator[Section]:
        """Yield the mappings of a list in it."""
        for number, each in enumerate(cast("list[dict[str, Any]]", self.get(key) or ())):
            path = f"{self._path}{'.' if self._path else ''}{key}.{number}"
            yield Section(each, self._file, path)

    def refused(self, key: str, why: str) -> ConfigurationError:
        """Return the error of a key."""
        return ConfigurationError(f"{self.place(key)} {why}")

    def refuse(self, key: str, why: str) -> None:
        """Refuse a key that has anything.

        Raises:
            ConfigurationError: When it has.
        """
        if self.get(key) not in (None, [], {}):
            raise self.refused(key, why)


def readers(metrics: Section) -> _Found:
    """Return the settings that ``meter_provider.readers`` ask for.

    Raises:
        ConfigurationError: When they ask for what can't be done, with file and key.
    """
    found: _Found = {}
    exporters: list[str] = []
    for reader in metrics.items("readers"):
        kind, inner = reader.only()
        inner.refuse("producers", "can't be done: leave it out; see configure(registry=...)")
        inner.refuse(
            "cardinality_limits", "can't be done: give views an aggregation_cardinality_limit"
        )
        outer = inner.section("exporter")
        assert outer is not None  # noqa: S101 - the schema demands it
        name, exporter = outer.only()
        make = _EXPORTERS.get(name)
        if make is None:
            known = ", ".join(_EXPORTERS)
            raise outer.refused(name, f"is an exporter that is not known here; one of {known} is")
        ours, values = make(exporter)
        if ours in exporters:
            raise outer.refused(
                name,
                f"is a second reader for {ours}, and there may be one: pass further ones by"
                " configure(metric_readers=[...])",
            )
        exporters.append(ours)
        if kind == "periodic":
            values |= _times(inner, found)
        found |= values
    found["exporter"] = exporters or "none", metrics.place("readers")
    return found


def _times(reader: Section, found: _Found) -> _Found:
    """Return the times of a periodic reader, which all of them share."""
    values: _Found = {}
    for key, name, default in (
        ("interval", "export_interval", 60_000),
        ("timeout", "export_timeout", 30_000),
    ):
        given = reader.get(key)
        seconds = (default if given is None else given) / _MILLISECONDS
        if name in found and found[name][0] != seconds:
            raise reader.refused(key, "differs from another reader's: all of them have one")
        values[name] = seconds, reader.place(key)
    batch = reader.get("max_export_batch_size/development")
    if batch is not None:
        place = reader.place("max_export_batch_size/development")
        values["otlp_batch_size"] = int(batch), place
    return values


def _prometheus(exporter: Section) -> tuple[str, _Found]:
    exporter.refuse(
        "resource_constant_labels", "can't be done: join target_info, or relabel in Prometheus"
    )
    values: _Found = {}
    for key, name in (
        ("host", "prometheus_host"),
        ("port", "prometheus_port"),
        ("scope_info_enabled", "scope_labels"),
        ("target_info_enabled/development", "target_info"),
    ):
        given = exporter.get(key)
        if given is not None:
            # The schema takes 9464.0 for an integer.
            value = int(given) if isinstance(given, float) else given
            values[name] = value, exporter.place(key)
    strategy = exporter.get("translation_strategy")
    if strategy is not None:
        place = exporter.place("translation_strategy")
        values["translation_strategy"] = _STRATEGIES.get(strategy, strategy), place
    return "prometheus", values


def _console(exporter: Section) -> tuple[str, _Found]:
    if exporter.get("temporality_preference") not in (None, "cumulative"):
        raise exporter.refused("temporality_preference", "can't be done: it is cumulative")
    if exporter.get("default_histogram_aggregation") not in (None, "explicit_bucket_histogram"):
        raise exporter.refused(
            "default_histogram_aggregation", "can't be done: give views the aggregation"
        )
    return "console", {}


def _otlp_http(exporter: Section) -> tuple[str, _Found]:
    if exporter.get("encoding") not in (None, "protobuf"):
        raise exporter.refused("encoding", "can't be done: it is protobuf")
    return "otlp", {**_otlp(exporter), "otlp_protocol": ("http/protobuf", exporter.here)}


def _otlp_grpc(exporter: Section) -> tuple[str, _Found]:
    return "otlp", {**_otlp(exporter), "otlp_protocol": ("grpc", exporter.here)}


def _otlp(exporter: Section) -> _Found:
    values: _Found = {}
    for key, name in (
        ("endpoint", "otlp_endpoint"),
        ("compression", "otlp_compression"),
        ("temporality_preference", "otlp_temporality"),
        ("default_histogram_aggregation", "otlp_histograms"),
    ):
        if exporter.get(key) is not None:
            values[name] = exporter.get(key), exporter.place(key)
    if "otlp_temporality" in values:
        preference, place = values["otlp_temporality"]
        values["otlp_temporality"] = str(preference).replace("_", ""), place
    if exporter.get("timeout") is not None:
        values["otlp_timeout"] = exporter.get("timeout") / _MILLISECONDS, exporter.place("timeout")
    if headers := _headers(exporter):
        values["otlp_headers"] = headers, exporter.place("headers")
    tls = exporter.section("tls")
    if tls is not None:
        for key, name in (
            ("ca_file", "otlp_certificate"),
            ("key_file", "otlp_client_key"),
            ("cert_file", "otlp_client_certificate"),
            ("insecure", "otlp_insecure"),
        ):
            if tls.get(key) is not None:
                values[name] = tls.get(key), tls.place(key)
    return values


def _headers(exporter: Section) -> dict[str, str]:
    """Return headers; those that are listed one by one beat the list."""
    listed = exporter.get("headers_list")
    found = {} if listed is None else unquoted(str(listed), exporter.place("headers_list"))
    for each in cast("list[dict[str, Any]]", exporter.get("headers") or ()):
        if each["value"] is not None:
            found[each["name"]] = each["value"]
    return found


_EXPORTERS: Final[dict[str, Callable[[Section], tuple[str, _Found]]]] = {
    "prometheus/development": _prometheus,
    "otlp_http": _otlp_http,
    "otlp_grpc": _otlp_grpc,
    "console": _console,
}
