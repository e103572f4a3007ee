"""Models that know nothing of the package."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import slugify


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


class Poster(models.Model):
    """Relies on ``save()``: it derives a column and has its own opinion of titles."""

    code = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200, blank=True)
    slug = models.CharField(max_length=200, blank=True)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self):
        return self.code

    def save(self, *args, update_fields=None, **kwargs):
        if "kitten" in self.title:
            raise ValidationError({"title": f"{self.title} is no title."})
        self.slug = slugify(self.title)
        if update_fields is not None:
            update_fields = {*update_fields, "slug"}
        super().save(*args, update_fields=update_fields, **kwargs)
