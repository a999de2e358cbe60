"""Tanya's retriever for LangChain: ``TanyaRetriever(retriever=...).invoke(question)``.

Apart from the rest because importing LangChain takes half a second that a search does not need.
"""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PlainValidator

from qa.retriever import HybridRetriever
from qa.types import Filters, Hit


def _checked(value: object) -> HybridRetriever:
    # pydantic would look into the dataclass and stumble over the encoder, which is a protocol.
    if not isinstance(value, HybridRetriever):
        raise ValueError(f"retriever must be a HybridRetriever, got {type(value).__name__}")
    return value


class TanyaRetriever(BaseRetriever):
    """A ``HybridRetriever`` behind LangChain's interface; ``k`` and ``filters`` are those of its ``search``.

    A Document's content is the passage, its id the chunk's; the metadata has ``article_id``, ``chunk_id``, ``title``,
    ``source``, ``published_at`` (ISO or ``None``), ``url``, ``path``, ``start``, ``end`` and ``score``.
    """

    retriever: Annotated[Any, PlainValidator(_checked)]
    k: int = 5
    filters: Filters | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        hits = _checked(self.retriever).search(query, k=self.k, filters=self.filters)
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    article = hit.article
    metadata = {
        "article_id": article.id,
        "chunk_id": hit.chunk.id,
        "title": article.title,
        "source": article.source,
        "published_at": article.published_at.isoformat() if article.published_at else None,
        "url": article.url,
        "path": article.path,
        "start": hit.chunk.start,
        "end": hit.chunk.end,
        "score": hit.score,
    }
    return Document(page_content=hit.chunk.text, id=hit.chunk.id, metadata=metadata)
