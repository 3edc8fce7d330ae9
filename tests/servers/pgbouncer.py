"""PgBouncer in front of a PostgreSQL server, as the machine has it."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from tests.servers.server import Server

__all__ = ("PgBouncer", "in_front_of")

_SETTINGS = """\
[databases]
* = {upstream}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
"""


def in_front_of(bouncer: str, url: str) -> str:
    """Return the URL that leads through the bouncer to the database of another URL."""
    return urlunsplit(urlsplit(url)._replace(netloc=urlsplit(bouncer).netloc))


class PgBouncer(Server):
    """Be a PgBouncer, which gives a client a connection for one transaction at a time.

    :param upstream: the URL of the PostgreSQL server, whose databases it all serves
    """

    kind = "pgbouncer"
    variable = "AHPO_TEST_PGBOUNCER"
    package = "pgbouncer"
    program = "pgbouncer"

    def __init__(self, upstream: str, durable: bool = False) -> None:
        super().__init__(durable)
        self.upstream = upstream

    @property
    def admin_url(self) -> str:
        bouncer = f"postgresql://{urlsplit(self.upstream).username}@127.0.0.1:{self.port}"
        return in_front_of(bouncer, self.upstream)

    def prepare(self) -> None:
        pass  # its settings name its port, so that each start writes them

    def command(self) -> list[str]:
        parts = urlsplit(self.upstream)
        upstream = f"host={parts.hostname} port={parts.port or 5432} user={parts.username}"
        if parts.password:
            upstream += f" password={parts.password}"
        settings = self.home / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(upstream=upstream, listen=self.port))
        return [str(self.programs["pgbouncer"]), str(settings)]

    def answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self.admin_url).close()
        except psycopg2.OperationalError:
            return False
        return True
