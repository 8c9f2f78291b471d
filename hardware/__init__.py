"""YAML chip profiles shipped with the package."""
