"""The addresses serving.py compares: ours, and a model viewset as DRF's documentation has it."""

from django.urls import include, path
from rest_framework import pagination, permissions, renderers, serializers, viewsets
from rest_framework.routers import SimpleRouter
from rest_framework_simplejwt.authentication import JWTAuthentication

from django_ecommerce_sync.api.serializers import ProductSerializer
from django_ecommerce_sync.models import Product


class PlainSerializer(serializers.ModelSerializer):
    class Meta:
        model = Product
        fields = ProductSerializer.Meta.fields


class PageNumbers(pagination.PageNumberPagination):
    page_size = 100


class Cursor(pagination.CursorPagination):
    page_size = 100
    ordering = "id"


class PlainView(viewsets.ModelViewSet):
    queryset = Product.objects.order_by("id")
    serializer_class = PlainSerializer
    authentication_classes = [JWTAuthentication]
    permission_classes = [permissions.DjangoModelPermissions]
    renderer_classes = [renderers.JSONRenderer]
    pagination_class = PageNumbers


class CursorView(PlainView):
    pagination_class = Cursor


router = SimpleRouter()
router.register("plain/products", PlainView, basename="plain")
router.register("cursor/products", CursorView, basename="cursor")
urlpatterns = [*router.urls, path("", include("django_ecommerce_sync.urls"))]
