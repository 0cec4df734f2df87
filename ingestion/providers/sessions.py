"""`requests` sessions, one per thread, that remember connections and nothing else."""

from __future__ import annotations

import ipaddress
import os
import threading
import weakref
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from ingestion.providers.deadline import DeadlineAdapter


class ThreadSessions:
    """Each thread's session for one vendor; a forked process starts with none.

    Cookies are never kept (whoever needs one sends it), and neither `.netrc` nor anything
    else of the environment replaces our credentials; its proxies and certificate bundle are
    honoured, looked up once per session.
    """

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._base_url, self._headers = base_url, headers
        self._local = threading.local()
        self._all: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()

    def current(self) -> requests.Session:
        """The calling thread's session."""
        pid, session = getattr(self._local, "session", (0, None))
        if session is None or pid != os.getpid():
            session = self._open()
            self._local.session = (os.getpid(), session)
            with self._lock:
                self._all.add(session)
        return session

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for session in list(self._all):
                session.close()

    def _open(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        if not _on_this_host(self._base_url):
            session.proxies = dict(get_environ_proxies(self._base_url))
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        session.verify = bundle or True
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.clear()
        session.headers.update(self._headers)
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(pool_connections=2, pool_maxsize=2))
        return session


def _on_this_host(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
