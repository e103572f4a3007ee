"""Models that know nothing of the package."""

from django.db import models


class Gadget(models.Model):
    serial = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200, blank=True)
    watts = models.PositiveIntegerField(null=True, blank=True)
    launched = models.DateField(null=True, blank=True)
    refurbished = models.BooleanField(default=False)
    notes = models.TextField(blank=True)
    specs = models.JSONField(default=dict, blank=True)

    def __str__(self):
        return self.serial
