"""The retriever as LangChain sees it."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest
from conftest import HARBOUR, RICE, make_article
from index_state import ENCODER, write
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from qa.index import NewsIndex
from qa.langchain_retriever import TanyaRetriever
from qa.retriever import HybridRetriever
from qa.types import Filters

ARTICLE = make_article(RICE, "b.txt", title="Harga beras", url="https://contoh.example/b")


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> HybridRetriever:
    folder: Path = tmp_path_factory.mktemp("langchain")
    undated = make_article(HARBOUR, "a.txt", published_at=None, source=None)
    write(folder, [("/x/b.txt", ARTICLE), ("/x/a.txt", undated)])
    return HybridRetriever(NewsIndex.open(folder), ENCODER)


def test_invoke_returns_documents_with_metadata(hybrid: HybridRetriever) -> None:
    retriever = TanyaRetriever(retriever=hybrid, k=1)
    assert isinstance(retriever, BaseRetriever)
    (hit,) = hybrid.search("harga beras", k=1)
    assert retriever.invoke("harga beras") == [
        Document(
            id=f"{ARTICLE.id}-0",
            page_content=RICE,
            metadata={
                "article_id": ARTICLE.id,
                "chunk_id": f"{ARTICLE.id}-0",
                "title": "Harga beras",
                "source": "Contoh",
                "published_at": "2023-05-19",
                "url": "https://contoh.example/b",
                "path": "b.txt",
                "start": 0,
                "end": len(RICE),
                "score": hit.score,
            },
        )
    ]


def test_unknown_metadata_is_none(hybrid: HybridRetriever) -> None:
    (document,) = TanyaRetriever(retriever=hybrid, k=1).invoke("pelabuhan ditutup")
    assert {name for name, value in document.metadata.items() if value is None} == {
        "title",
        "source",
        "published_at",
        "url",
    }


def test_k_filters_batch_async_and_chains(hybrid: HybridRetriever) -> None:
    retriever = TanyaRetriever(retriever=hybrid)
    assert [document.metadata["path"] for document in retriever.invoke("harga beras")] == ["b.txt", "a.txt"]
    dated = TanyaRetriever(retriever=hybrid, filters=Filters(date_to=date(2023, 5, 19)))
    assert [document.metadata["path"] for document in dated.invoke("pelabuhan ditutup")] == ["b.txt"]
    by_batch = retriever.batch(["harga beras", "pelabuhan ditutup"])
    assert [documents[0].metadata["path"] for documents in by_batch] == ["b.txt", "a.txt"]
    assert asyncio.run(retriever.ainvoke("harga beras")) == retriever.invoke("harga beras")
    chain = retriever | RunnableLambda(lambda documents: documents[0].page_content)
    assert chain.invoke("harga beras") == RICE


def test_something_else_than_a_retriever_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be a HybridRetriever, got str"):
        TanyaRetriever(retriever="bukan")
