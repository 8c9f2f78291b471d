"""The verification tracks."""
