"""The store and collection in the console: everything can be looked at, nothing changed."""

from ingestion.admin import collection, store

__all__ = ["collection", "store"]
