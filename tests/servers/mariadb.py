"""MariaDB, as the machine has it."""

from __future__ import annotations

from tests.servers.server import Server

__all__ = ("MariaDB",)

_BOTH = ("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M")


class MariaDB(Server):
    """Be a MariaDB server; its user is root, without a password."""

    kind = "mysql"
    variable = "AHPO_TEST_MYSQL"
    package = "mariadb-server"
    program = "mariadbd"
    helpers = ("mariadb-install-db",)

    @property
    def admin_url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/mysql"

    @property
    def _tmpdir(self) -> str:
        # One that starts takes the temporary tables in it for leftovers, and deletes them.
        return f"--tmpdir={self.home}"

    def prepare(self) -> None:
        program = str(self.programs["mariadb-install-db"])
        options = "--skip-test-db --auth-root-authentication-method=normal"
        folder = f"--datadir={self.home / 'data'}"
        self.run([program, "--no-defaults", folder, self._tmpdir, *options.split(), *_BOTH])

    def command(self) -> list[str]:
        # 2: a commit is handed to the kernel, so that a killed server loses nothing.
        flush = 1 if self.durable else 2
        return [
            str(self.programs["mariadbd"]),
            "--no-defaults",
            f"--datadir={self.home / 'data'}",
            # In a folder that servers share, each one that starts removes what others have there.
            f"--tmpdir={self.home}",
            f"--port={self.port}",
            f"--socket={self.home / 'socket'}",
            self._tmpdir,
            f"--innodb-flush-log-at-trx-commit={flush}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--max-connections=300",
            *_BOTH,
        ]

    def answers(self) -> bool:
        import pymysql

        try:
            pymysql.connect(host="127.0.0.1", port=self.port, user="root").close()
        except pymysql.err.OperationalError:
            return False
        return True
