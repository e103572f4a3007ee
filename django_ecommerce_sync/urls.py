"""Everything a host includes: ``path("", include("django_ecommerce_sync.urls"))``."""

app_name = "ecommerce_sync"
urlpatterns: list[object] = []
