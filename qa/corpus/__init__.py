"""Files as a user brings them to clean articles.

``reading`` walks folders and archives, ``documents`` and ``decoding`` know formats, ``cleaning`` deletes page
furniture (``furniture``, ``datelines``, ``dates``, ``markup``) and keeps account of it (``deletion``).
"""

from qa.corpus.reading import explain, read_articles

__all__ = ["explain", "read_articles"]
