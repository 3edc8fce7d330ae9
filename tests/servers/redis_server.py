"""Redis, as the machine has it."""

from __future__ import annotations

from tests.servers.server import Server

__all__ = ("RedisServer",)


class RedisServer(Server):
    """Be a Redis server."""

    kind = "redis"
    variable = "AHPO_TEST_REDIS"
    package = "redis-server"
    program = "redis-server"

    @property
    def admin_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        pass  # it begins with an empty folder

    def command(self) -> list[str]:
        # The log of commands is written before a command is answered, so that a killed server
        # loses nothing; without fsync a power cut could.
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.home,
            "databases": 4096,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always" if self.durable else "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return [str(self.programs["redis-server"]), *words]

    def answers(self) -> bool:
        import redis

        with redis.Redis.from_url(self.admin_url) as client:
            try:
                client.ping()
            except redis.ConnectionError:  # which "still loading its data" is one of
                return False
        return True
