"""Everything a project includes: ``path("", include("django_ecommerce_sync.urls"))``."""

from django.urls import path

from .api.urls import urlpatterns as api_urlpatterns
from .api.views.schema import SwaggerView

app_name = "ecommerce_sync"
urlpatterns = [
    *api_urlpatterns,
    path("swagger/", SwaggerView.as_view(), name="swagger"),
]
