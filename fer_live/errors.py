"""Every error that fer-live raises on purpose.

    FerLiveError
    ├── SourceError      a video, image or camera that cannot be read
    ├── SinkError        an output that cannot be written
    ├── DataError        a data set that is not what it says it is
    ├── ModelError       a checkpoint or model file that cannot be used
    │   └── ContractError    its preprocessing contract is missing, unknown or broken
    └── DeviceError      an execution provider or display that was asked for and is not there

Errors of third-party libraries are mapped to these at the adapter that calls them, with the cause kept
(``raise SourceError(...) from error``). A message is one line: what, where, what was expected, the way out.
"""

__all__ = [
    "ContractError",
    "DataError",
    "DeviceError",
    "FerLiveError",
    "ModelError",
    "SinkError",
    "SourceError",
]


class FerLiveError(Exception):
    """Base of all errors that fer-live raises on purpose."""


class SourceError(FerLiveError):
    """A video, image or camera that cannot be read."""


class SinkError(FerLiveError):
    """An output that cannot be written."""


class DataError(FerLiveError):
    """A data set that is not what it says it is."""


class ModelError(FerLiveError):
    """A checkpoint or model file that cannot be used."""


class ContractError(ModelError):
    """A preprocessing contract that is missing, of an unknown version or broken."""


class DeviceError(FerLiveError):
    """An execution provider or display that was asked for and is not there."""


def first_line(error: BaseException) -> str:
    """The first line of a library's message, its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
