"""The project's addresses, and one that asks for a run and then fails."""

from django.urls import include, path

from django_ecommerce_sync.sync import dispatch, request_run


def ask_and_fail(request):
    """What a host's own view may do: a run is asked for, then the request comes to nothing."""
    run, _ = request_run("shop", trigger="host")
    dispatch(run)
    raise RuntimeError("after the run was asked for")


urlpatterns = [
    path("ask-and-fail/", ask_and_fail),
    path("", include("django_ecommerce_sync.urls")),
]
