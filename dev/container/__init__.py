"""`make container-drill`: the image, run as compose.yaml says, on servers and an engine of its own.

No registry is needed: the image's bases are made from Debian's packages and this machine's Rust. The
processors run in containers; Redis, PostgreSQL and the stand-in for Directus run on this machine, by the
commands that compose.yaml gives them, since their images are in a registry. Everything is on 127.0.0.1.
"""
