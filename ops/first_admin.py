"""The user that opens the admin for the first time."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model

USERNAME = "admin"


def ensure(password_file: Path) -> bool:
    """Make the superuser `admin` unless there is a superuser; True when it was made.

    Its password is the one in `password_file`, or a new one, which is written there for the
    file's owner alone to read.
    """
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True, is_active=True).exists():
        return False
    user = users.model(username=USERNAME, is_staff=True, is_superuser=True)
    user.set_password(_password(password_file))
    user.save()
    return True


def _password(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="utf-8").strip()
    password = secrets.token_urlsafe(12)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(f"{password}\n")
    return password
