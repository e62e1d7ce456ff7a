"""A simulated Butterfly cluster that drives every metric of the contract.

The model (``cluster`` and the modules it ties together) is pure: it has its own clock and
its own random numbers, measures nothing and never sleeps. ``drive`` turns what happened in
a step into measurements, through the public API alone. ``run`` does both in real time.

A fault is an entry in ``faults``, and ``effects`` says what it does. May import: what an
application may, ``operate`` and ``render``; not ``cli``, ``testing`` or ``integrations``.
"""
