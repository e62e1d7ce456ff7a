"""Reading all settings in one go: from arguments, variables, a configuration file, defaults.

Where there is such a file, it stands between our variables and OpenTelemetry's, which it replaces.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.settings.kinds import Given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from butterfly_otel.settings.declaration import Setting
    from butterfly_otel.settings.declarative import Declarative
    from butterfly_otel.settings.kinds import Others


class _Undecided(Exception):  # noqa: N818 - says that there is nothing to say
    """A setting that was asked for is wrong, so whoever asked can't be judged."""


#: The setting that names a file of settings.
_FILE: Final = "config_file"
#: Stands for the value of a setting that is wrong.
_WRONG: Final = object()


class Reading:
    """One reading of all settings, which collects what is wrong instead of ending at the first.

    Each setting is read when it is first asked for, so their order decides nothing.

    Attributes:
        problems: What is wrong, a sentence each.
    """

    def __init__(
        self,
        settings: Iterable[Setting],
        arguments: Mapping[str, object],
        environ: Mapping[str, str],
    ) -> None:
        self.problems: list[str] = []
        self._settings = {each.key: each for each in settings}
        self._arguments = arguments
        self._environ = environ
        self._values: dict[str, object] = {}

    def value(self, key: str) -> Any:  # noqa: ANN401 - as it is declared
        """Return the value of a setting.

        Raises:
            _Undecided: When it is wrong, which is told already: for :meth:`attempt`.
        """
        if key not in self._values:
            setting = self._settings[key]
            self._values[key] = self.attempt(lambda: self._read(setting))
        value = self._values[key]
        if value is _WRONG:
            raise _Undecided
        return value

    def complete(self, rules: Iterable[Callable[[Others], None]]) -> Others:
        """Read all settings, and return what gives each.

        Args:
            rules: What must hold between them; each raises ConfigurationError where it does not.

        Raises:
            ConfigurationError: When settings are missing or wrong: a line for each.
        """
        for key in self._settings:
            self.attempt(partial(self.value, key))
        for rule in rules:
            self.attempt(partial(rule, self.value))
        if self.problems:
            raise ConfigurationError("\n".join(self.problems))
        return self.value

    def attempt(self, step: Callable[[], object]) -> object:
        """Take a step that may find something wrong, and return what it returns."""
        try:
            return step()
        except _Undecided:
            pass
        except ConfigurationError as error:
            # A line each, whatever a value's own text has in it.
            self.problems.append(" ".join(str(error).splitlines()))
        return _WRONG

    def _read(self, setting: Setting) -> object:
        given = self._given(setting)
        if given.passed or given.text:
            return setting.kind.read(given)
        return setting.default if setting.otherwise is None else setting.otherwise(self.value)

    def _given(self, setting: Setting) -> Given:
        """Look a setting up; an empty or blank variable is unset, as OpenTelemetry has it."""
        file = self._file(setting)
        environ = self._environ if file is None else file.variables(self._environ)
        variable, text = "", ""
        for variable in setting.variables:
            if text := (environ.get(variable) or "").strip():
                break
        argument = self._arguments.get(setting.name) if setting.name else None
        given = Given(
            setting.name, argument, variable, text, self.value, setting.show, environ=environ
        )
        placed = None if file is None else file.values.get(setting.key)
        if placed is None:
            return given
        if given.passed or text:
            return given._replace(file=placed.value)
        return given._replace(name=placed.place, argument=placed.value)

    def _file(self, setting: Setting) -> Declarative | None:
        """Return the configuration file, where there is one, and it can say something here."""
        if setting.key == _FILE or _FILE not in self._settings:
            return None
        found: Declarative | None = self.value(_FILE)
        return found
