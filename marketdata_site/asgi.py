"""The same service for an ASGI server; the stream's sockets will be routed here."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketdata_site.settings")
application = get_asgi_application()
