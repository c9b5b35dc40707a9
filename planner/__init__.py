"""Keep the groups of a whole cluster equal to a YAML file, as one transaction."""

__version__ = "0.1.0"
