"""Faithful stand-ins on loopback for services outside."""
