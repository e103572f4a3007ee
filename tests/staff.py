"""People who work in the admin."""

from django.contrib.auth.models import Permission, User
from django.test import Client


def staff(*permissions, is_superuser=False):
    """A client logged in as staff with these permissions."""
    user = User.objects.create(
        username=f"u{User.objects.count()}", is_staff=True, is_superuser=is_superuser
    )
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    client.user = user
    return client
