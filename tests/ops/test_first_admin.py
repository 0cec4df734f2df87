"""The first admin user and where its password is kept."""

from __future__ import annotations

import stat
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def run(file: Path) -> str:
    out = StringIO()
    call_command("ensure_admin", password_file=file, stdout=out)
    return out.getvalue()


def test_the_admin_can_log_in_with_the_password_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "admin_password"
    printed = run(file)
    password = file.read_text().strip()
    user = get_user_model().objects.get(username="admin")
    assert user.check_password(password)
    assert user.is_superuser
    assert user.is_staff
    assert len(password) >= 16
    assert password not in printed


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "admin_password"
    run(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "admin_password"
    run(file)
    before = file.read_text()
    assert "nothing to do" in run(file)
    assert file.read_text() == before
    assert get_user_model().objects.count() == 1


def test_an_own_superuser_is_enough(tmp_path: Path) -> None:
    get_user_model().objects.create_superuser("someone", password="theirs")
    file = tmp_path / "admin_password"
    run(file)
    assert not file.exists()


def test_a_new_database_keeps_the_password_that_people_know(tmp_path: Path) -> None:
    file = tmp_path / "admin_password"
    file.write_text("known-for-long\n")
    run(file)
    assert get_user_model().objects.get(username="admin").check_password("known-for-long")


def test_a_file_that_cannot_be_written_is_an_error_and_no_user(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        run(tmp_path / "nowhere" / "admin_password")
    assert not get_user_model().objects.exists()
