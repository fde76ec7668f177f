"""Every error that findalike raises on purpose.

    FindalikeError
    ├── UsageError              a value that cannot be used; nothing was started
    │   ├── QueryError          a query or filter that cannot be understood
    │   └── SettingError        a setting or variable with a bad value
    ├── ReadError               one file, archive member or table that cannot be read
    │   ├── NotAPicture         its first bytes are of no picture format known here
    │   ├── DamagedPicture      truncated or corrupt
    │   └── TooManyPixels       larger than the pixel budget
    ├── LibraryError            the library as a whole
    │   ├── LibraryMissing      none there
    │   ├── LibraryMismatch     made by another card or format version
    │   ├── LibraryLocked       another process is writing
    │   └── SweepRefused        a root is missing or empty: is a drive unplugged?
    ├── EncoderError            a model that cannot be loaded, or gave what it must not
    ├── ExtraMissing            an optional dependency is not installed
    ├── FleetError              machines that encode cannot be reached, or are not alike
    └── Unsupported             a store was asked for what it declares it cannot do

Messages name the file or value, what was expected, and the next thing to type.
"""


class FindalikeError(Exception):
    """The root: catch this to catch all of them."""


class UsageError(FindalikeError, ValueError):
    """A value that cannot be used. Nothing was started."""


class QueryError(UsageError):
    """A query or a filter that cannot be understood."""


class SettingError(UsageError):
    """A setting, environment variable or settings file with a bad value."""


class ReadError(FindalikeError):
    """One file, archive member or table that cannot be read."""


class NotAPicture(ReadError):
    """The first bytes belong to no picture format known here."""


class DamagedPicture(ReadError):
    """A picture that is truncated or corrupt."""


class TooManyPixels(ReadError):
    """A picture larger than the pixel budget, refused from its header."""


class LibraryError(FindalikeError):
    """Something is wrong with the library as a whole."""


class LibraryMissing(LibraryError):
    """There is no library at that place."""


class LibraryMismatch(LibraryError):
    """The library was made by another card, revision, precision or format version."""


class LibraryLocked(LibraryError):
    """Another process is writing to the library."""


class SweepRefused(LibraryError):
    """A root that holds pictures of the library is missing or empty."""


class EncoderError(FindalikeError):
    """A model cannot be loaded, or its output broke the contract."""


class ExtraMissing(FindalikeError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class FleetError(FindalikeError):
    """The machines that shall encode cannot be reached, or are not like this one."""


class Unsupported(FindalikeError):
    """A store was asked for something that its capabilities exclude."""
