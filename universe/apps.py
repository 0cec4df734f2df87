from django.apps import AppConfig


class UniverseConfig(AppConfig):
    name = "universe"
    verbose_name = "Universe"
    default_auto_field = "django.db.models.BigAutoField"
