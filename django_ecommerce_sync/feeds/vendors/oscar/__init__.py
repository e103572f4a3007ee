"""Oscar: the API of django-oscar-api, and the CSV file of its partner importer."""

from .feed import DjangoOscar

__all__ = ["DjangoOscar"]
