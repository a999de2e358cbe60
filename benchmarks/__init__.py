"""Measurements of Tanya beside today's usual LangChain pipeline, on the same text in the same run: ``make bench``."""
