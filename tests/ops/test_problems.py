"""Errors: one shape, whoever raised them, and nothing about the inside."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.test import Client
from django.urls import path
from rest_framework.serializers import CharField, Serializer
from rest_framework.views import APIView

from marketdata_site import urls as site
from ops.api import problems

SECRET = "the-password-is-hunter2"


def raising(error):
    def view(request, **kwargs):
        raise error

    return view


class Rest(APIView):
    required_scope = "public"

    def get(self, request):
        raise {"404": Http404(SECRET), "403": PermissionDenied(SECRET)}.get(
            request.query_params.get("code"), RuntimeError(SECRET)
        )

    def post(self, request):
        class Named(Serializer):
            name = CharField()
            colour = CharField()

        Named(data=request.data).is_valid(raise_exception=True)


urlpatterns = [
    path("rest", Rest.as_view()),
    path("plain/404", raising(Http404(SECRET))),
    path("plain/403", raising(PermissionDenied(SECRET))),
    path("plain/400", raising(SuspiciousOperation(SECRET))),
    path("plain/500", raising(RuntimeError(SECRET))),
    path("admin/boom", raising(RuntimeError(SECRET))),
    path("admin/hidden", raising(PermissionDenied(SECRET))),
    *site.urlpatterns,
]
handler400, handler403 = site.handler400, site.handler403
handler404, handler500 = site.handler404, site.handler500

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def browser():
    return Client(raise_request_exception=False)


def assert_is_problem(response, status, instance):
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert (body["status"], body["instance"]) == (status, instance)
    assert SECRET not in response.content.decode()
    assert "Traceback" not in response.content.decode()
    return body


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/rest?code=404", 404),
        ("/rest?code=403", 403),
        ("/rest", 500),
        ("/plain/404", 404),
        ("/plain/403", 403),
        ("/plain/400", 400),
        ("/plain/500", 500),
        ("/nowhere/at/all", 404),
        ("/stocks//price", 404),
    ],
)
def test_every_error_is_a_problem(browser, address, status):
    response = browser.get(address, headers={"Accept": "text/html"})
    body = assert_is_problem(response, status, address.partition("?")[0])
    assert body["type"] == "about:blank"


def test_several_wrong_inputs_are_all_told(browser):
    response = browser.post("/rest", {"name": ""}, "application/json")
    errors = assert_is_problem(response, 400, "/rest")["errors"]
    assert {error["field"] for error in errors} == {"name", "colour"}


def test_a_host_that_is_not_ours_is_refused(browser):
    assert_is_problem(browser.get("/", headers={"Host": "evil.example"}), 400, "/")


@pytest.mark.parametrize("path_", ["/%ff", "/%00", "/stocks/%ED%A0%80/price", "/<script>"])
def test_odd_paths_are_no_accident(browser, path_, settings):
    settings.PUBLIC_READ = True
    response = browser.get(path_)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


@pytest.mark.parametrize(("address", "status"), [("/admin/boom", 500), ("/admin/hidden", 403)])
def test_the_admin_keeps_its_pages(browser, address, status):
    response = browser.get(address)
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    assert SECRET not in response.content.decode()


def test_a_missing_page_of_the_admin_is_html(superuser):
    response = superuser.get("/admin/ingestion/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_a_form_elsewhere_without_its_csrf_token_is_a_problem(rf):
    response = problems.csrf_failure(rf.post("/form"), reason=SECRET)
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert SECRET not in response.content.decode()


def test_a_login_without_its_csrf_token_is_an_html_page():
    browser = Client(enforce_csrf_checks=True)
    response = browser.post("/admin/login/", {"username": "a", "password": "b"})
    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")
