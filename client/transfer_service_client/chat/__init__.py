"""Conversations, and files in them."""
