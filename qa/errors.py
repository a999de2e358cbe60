"""What can go wrong, as a small tree.

TanyaError
├── InputError              a path, question or option that cannot be used
└── StoreError              trouble with an index folder
    ├── IndexMissingError   no index there
    ├── IndexLockedError    another process is writing
    ├── IndexMismatchError  made with another model, or by another version of Tanya
    └── IndexCorruptError   the store itself is damaged

Models raise ``embeddings.errors.EmbeddingError``. Every message says what was wrong, shows the value and
names the command that mends it; entry points print it and exit with 1.
"""


class TanyaError(Exception):
    """Base of every error that ``qa`` raises on purpose; its message is meant for the user."""


class InputError(TanyaError):
    """A path, question or option given by the user cannot be used."""


class StoreError(TanyaError):
    """Trouble with an index folder."""


class IndexMissingError(StoreError):
    """There is no index in the folder."""


class IndexLockedError(StoreError):
    """Another process is writing to the index."""


class IndexMismatchError(StoreError):
    """The index was made with another model or by another version of Tanya."""


class IndexCorruptError(StoreError):
    """The store, which everything else is derived from, is damaged."""
