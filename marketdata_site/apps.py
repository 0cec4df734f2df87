from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "marketdata_site"
