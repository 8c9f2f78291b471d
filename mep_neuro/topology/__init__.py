"""YAML to a validated specification of a network."""
