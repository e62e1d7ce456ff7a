"""Settings: each declared once; arguments and environment variables to one frozen Config.

A setting is one field of a class in ``config.py`` or ``exporters.py``: its name as an argument of
``configure()``, how it is read (``kinds.py``, ``urls.py``), its variables, its default and what it
does, in words. From these come

- ``Config`` itself, as a class like any other, which type checkers read where it stands;
- its values: ``reading.py`` asks arguments, then variables, then defaults, and collects all that
  is wrong, and ``spelling.py`` finds the names that are nearly right;
- ``butterfly_otel/runtime/configure.py``, which is rendered: ``configure()`` with its signature
  and docstring, and ``Arguments`` for what passes settings on; and the page of settings.

Settings know nothing of what is set by them: this room imports none of the rooms above it.
"""
