"""The services the product brings along: PostgreSQL and Valkey on unix sockets, in one data folder."""

from __future__ import annotations

from lifecycle.runtime.database import Addresses, prepare_as_superuser
from lifecycle.runtime.datafolder import DataFolder
from lifecycle.runtime.keyring import Keyring
from lifecycle.runtime.postgres import EmbeddedPostgres
from lifecycle.runtime.processes import Child, stop_all
from lifecycle.runtime.valkey import EmbeddedValkey


class Embedded:
    """Either service or both, as foreground children that cannot outlive this process.

    `durable=False` is for tests: quick, and gone when the machine crashes.
    """

    def __init__(
        self,
        data: DataFolder,
        keyring: Keyring,
        *,
        postgres: bool = True,
        valkey: bool = True,
        durable: bool = True,
    ) -> None:
        self._keyring = keyring
        root = data.services_root()
        sockets = data.sockets(root)
        logs = data.path / "logs"
        self.postgres = (
            EmbeddedPostgres(
                root=root,
                sockets=sockets,
                logs=logs,
                account=data.account,
                password=keyring.get("database role postgres"),
                lock=data.lock,
                durable=durable,
            )
            if postgres
            else None
        )
        self.valkey = (
            EmbeddedValkey(
                root=root, sockets=sockets, logs=logs, account=data.account, lock=data.lock, durable=durable
            )
            if valkey
            else None
        )

    @property
    def children(self) -> list[Child]:
        return [service.child for service in (self.postgres, self.valkey) if service]

    def start(self) -> None:
        """Start the services and wait until they answer; stop all when one does not. Raises Refused."""
        try:
            for service in (self.postgres, self.valkey):
                if service:
                    service.start()
        except BaseException:
            self.stop()
            raise

    def prepare_database(self) -> Addresses:
        """Make the product's database, roles and extensions on the embedded server."""
        if self.postgres is None:
            raise RuntimeError("There is no embedded PostgreSQL.")
        return prepare_as_superuser(self.postgres.url(), self._keyring)

    def stop(self) -> None:
        stop_all(self.children)
