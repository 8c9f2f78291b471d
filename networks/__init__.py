"""YAML topologies shipped with the package."""
