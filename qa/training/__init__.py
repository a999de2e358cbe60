"""The recipe of the reader that ships with Tanya."""
