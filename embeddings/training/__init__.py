"""The recipe that makes the bundled encoder from public data; runs once in a while, never when Tanya is used."""
