"""Tanya: questions over an archive of news, answered with their proof.

``qa`` knows articles, retrieval and answers; ``embeddings`` turns text into vectors and knows no articles.
"""
