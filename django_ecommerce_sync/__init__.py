"""Keep a Django project's products, customers and orders in step with the outside world."""

__version__ = "0.1.0.dev0"
