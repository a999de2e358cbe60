"""BM25 in memory, by which the bench tells what words alone would find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_HEAP_BYTES = 64_000_000
_ANALYZER = "words"


def word_search(texts: list[str], pool: NDArray[np.int64], depth: int) -> Callable[[str], list[int]]:
    """Index the rows ``pool`` of ``texts`` in memory; return a search for up to ``depth`` rows, best first."""
    import tantivy

    words = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(40))
        .filter(tantivy.Filter.lowercase())
        .build()
    )
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", fast=True, indexed=True)
    builder.add_text_field("text", tokenizer_name=_ANALYZER, index_option="freq")
    schema = builder.build()
    index = tantivy.Index(schema)
    index.config_reader("manual")
    index.register_tokenizer(_ANALYZER, words)
    # One thread keeps the order of texts, and so of equal scores, the same at every run.
    writer = index.writer(_HEAP_BYTES, 1)
    for row in pool.tolist():
        document = tantivy.Document()
        document.add_integer("row", row)
        document.add_text("text", texts[row])
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(question: str) -> list[int]:
        terms = [tantivy.Query.term_query(schema, "text", word) for word in words.analyze(question)]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])
        hits = searcher.search(query, depth, count=False).hits
        return [int(row or 0) for row in searcher.fast_field_values("row", [address for _, address in hits])]

    return search
