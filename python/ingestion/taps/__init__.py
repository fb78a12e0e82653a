"""Conversations that an operator watches: what is heard and said on a device's connections, kept until it is sent."""
