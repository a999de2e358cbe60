"""What can go wrong with a model, a vector index, a measurement or training data.

EmbeddingError
├── ModelError          the model is missing, unsafe or broken
├── VectorIndexError    a vector index cannot be read, or was given wrong shapes
├── MetricError         a metric cannot be computed
└── DataError           training or development data is missing or malformed
"""


class EmbeddingError(Exception):
    """Base of every error that ``embeddings`` raises on purpose; its message is meant for the user."""


class ModelError(EmbeddingError):
    """The model is not on this machine, is not safe to load, or is damaged."""


class VectorIndexError(EmbeddingError):
    """A vector index cannot be read, or vectors have the wrong shape."""


class MetricError(EmbeddingError):
    """What a metric was given is no ranking, or the library that computes it is missing."""


class DataError(EmbeddingError):
    """A file of training or development data is missing, damaged or of another form."""
