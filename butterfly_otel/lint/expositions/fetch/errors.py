"""The error of a target that can't be read."""


class TargetError(Exception):
    """What was asked for cannot be read; the message is a whole sentence."""
