"""The database, its extensions and its three roles, on an embedded server or on one that was given (E16).

The owner migrates, the app works, the reader reads reports. Only the owner may change the schema, and none of
the three is a superuser on an embedded server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from lifecycle.config import OwnServices
from lifecycle.runtime.datafolder import Refused
from lifecycle.runtime.keyring import Keyring

EXTENSIONS = ("btree_gin", "pg_trgm", "unaccent")
EMBEDDED_DATABASE = "lifecycle"
OLDEST_POSTGRESQL = 15


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """One database as its three roles reach it."""

    owner: str = field(repr=False)
    app: str = field(repr=False)
    reader: str = field(repr=False)


def prepare_as_superuser(superuser_url: str, keyring: Keyring, name: str = EMBEDDED_DATABASE) -> Addresses:
    """Make what is missing: roles, the database, its extensions. Safe to run at every start."""
    with psycopg.connect(superuser_url, autocommit=True) as server:
        for role in (f"{name}_owner", f"{name}_app", f"{name}_reader"):
            _ensure_role(server, role, _password(keyring, role))
        if not server.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            server.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(name), sql.Identifier(f"{name}_owner")
                )
            )
            server.execute(
                sql.SQL("revoke connect, temporary on database {} from public").format(sql.Identifier(name))
            )
    url = with_database(superuser_url, name)
    with psycopg.connect(url, autocommit=True) as database:
        for role in (f"{name}_app", f"{name}_reader"):
            database.execute(
                sql.SQL("grant connect on database {} to {}").format(
                    sql.Identifier(name), sql.Identifier(role)
                )
            )
        _ensure_extensions(database)
    return Addresses(
        owner=with_login(url, f"{name}_owner", _password(keyring, f"{name}_owner"), name),
        app=with_login(url, f"{name}_app", _password(keyring, f"{name}_app"), name),
        reader=with_login(url, f"{name}_reader", _password(keyring, f"{name}_reader"), name),
    )


def prepare_given(given: OwnServices, keyring: Keyring) -> Addresses:
    """Use the database that was given, making roles and extensions where its owner may.

    Raises:
        Refused: something is missing and may not be made; the sentence holds the SQL to run.
    """
    owner_url = given.database_owner_url or given.database_url
    if not owner_url:
        raise Refused("DATABASE_URL is not set.")
    try:
        connection = psycopg.connect(owner_url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise Refused(f"The database cannot be reached: {str(error).strip()}") from None
    with connection as owner:
        if owner.info.server_version < OLDEST_POSTGRESQL * 10_000:
            raise Refused(
                f"The database server is too old: PostgreSQL {OLDEST_POSTGRESQL} or newer is needed."
            )
        _ensure_extensions(owner)
        name = owner.info.dbname
        app_is_given = given.database_owner_url is not None and given.database_url is not None
        app = given.database_url if app_is_given else _lesser(owner, owner_url, f"{name}_app", keyring)
        reader = given.database_reader_url or _lesser(owner, owner_url, f"{name}_reader", keyring)
    addresses = Addresses(owner=owner_url, app=app or "", reader=reader)
    refuse_superuser(addresses.app)
    return addresses


def refuse_superuser(app_url: str) -> None:
    """Raise Refused when the app's role could break the invariants that the database keeps."""
    try:
        with psycopg.connect(app_url, connect_timeout=10) as app:
            row = app.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    except psycopg.Error as error:
        raise Refused(f"The database refuses the app's role: {str(error).strip()}") from None
    if row and row[0]:
        raise Refused(
            "DATABASE_URL logs in as a superuser: the app must use a role that cannot bypass its rules."
        )


def refuse_mighty(app_url: str) -> None:
    """Raise Refused when the app's role is a superuser, or owns what it must not be able to change.

    A database that cannot be reached is not refused: whoever starts waits for it, and readiness says so.
    """
    try:
        with psycopg.connect(app_url, connect_timeout=5) as app:
            row = app.execute(
                """
                select (select rolsuper from pg_roles where rolname = current_user),
                    exists (select from pg_class
                        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
                          and pg_has_role(current_user, relowner, 'member'))
                """
            ).fetchone()
    except psycopg.Error:
        return
    is_superuser, owns = row or (False, False)
    if is_superuser or owns:
        what = "is a superuser" if is_superuser else "owns the tables"
        raise Refused(
            f"The role of DATABASE_URL {what}, and could switch off what keeps the evidence: use the role "
            "that `lifecycle prepare` gives its rights to."
        )


def with_login(url: str, user: str, password: str, database: str) -> str:
    """The same server's address, for another role and database."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    options = [
        (key, value) for key, value in parse_qsl(parts.query) if key not in ("user", "password", "dbname")
    ]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"
    return urlunsplit(("postgresql", login, f"/{quote(database, safe='')}", urlencode(options, safe="/"), ""))


def with_database(url: str, database: str) -> str:
    """The same server's address and log-in, for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def _password(keyring: Keyring, role: str) -> str:
    return keyring.get(f"database role {role}")


def _lesser(owner: psycopg.Connection, owner_url: str, role: str, keyring: Keyring) -> str:
    """The address of a role that the owner makes and that can connect. Raises Refused."""
    password = _password(keyring, role)
    url = with_login(owner_url, role, password, owner.info.dbname)
    if _can_connect(url):
        return url
    try:
        _ensure_role(owner, role, password)
        owner.execute(
            sql.SQL("grant connect on database {} to {}").format(
                sql.Identifier(owner.info.dbname), sql.Identifier(role)
            )
        )
    except psycopg.errors.InsufficientPrivilege:
        raise Refused(
            f"{owner.info.user} may not make the role {role}, which the product needs; as a superuser run: "
            f"CREATE ROLE {role} LOGIN PASSWORD '{password}'; -- or ALTER ROLE, when it exists"
        ) from None
    return url


def _ensure_role(server: psycopg.Connection, role: str, password: str) -> None:
    # The server only ever sees the hash, so that no statement log can show the password.
    hashed = server.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    exists = server.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
    verb = "alter" if exists else "create"
    server.execute(
        sql.SQL("{} role {} login password {}").format(
            sql.SQL(verb), sql.Identifier(role), sql.Literal(hashed)
        )
    )


def _ensure_extensions(database: psycopg.Connection) -> None:
    present = {row[0] for row in database.execute("select extname from pg_extension")}
    missing = [name for name in EXTENSIONS if name not in present]
    try:
        for name in missing:
            database.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        statements = " ".join(f"CREATE EXTENSION {name};" for name in missing)
        raise Refused(
            f"The database lacks extensions that {database.info.user} may not make ({str(error).strip()}); "
            f"as a superuser run in {database.info.dbname}: {statements}"
        ) from None


def _can_connect(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True
