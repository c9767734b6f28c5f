"""Addresses of MLflow stores: which one is meant, what it stands for, and the way out where it can never work."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from repro.errors import UserError
from repro.masking import MASK, mask
from repro.user_paths import user_path
from repro.words import nearest

DEFAULT_STORE = "sqlite:///mlflow.db"
VARIABLE = "MLFLOW_TRACKING_URI"

DATABASES = ("postgresql", "mysql", "mssql")
_SERVERS = ("http", "https")
_OF_DATABRICKS = ("databricks", "databricks-uc")
_NAMES = ("sqlite", *_SERVERS, *DATABASES, *_OF_DATABRICKS)
_EXPECTED = "expected sqlite:///FILE.db, http://HOST:PORT or https://HOST, or the address of a database"
_ELSEWHERE = (
    f"keep the store in a folder without these signs in its name: export {VARIABLE}=sqlite:////ANOTHER/FOLDER/mlflow.db"
)
_WAY_OUT = f"for a file here: export {VARIABLE}={DEFAULT_STORE}"


def resolve_store(uri: str | None = None) -> str:
    """The store's address: `uri`, else MLFLOW_TRACKING_URI, else a file mlflow.db in the working directory.

    A sqlite path is made absolute, so that the address means the same from every directory.

    Raises:
        UserError: the address can never work; the message has no secret of it.
    """
    uri = (uri or os.environ.get(VARIABLE) or DEFAULT_STORE).strip()
    _check(uri)
    path = sqlite_path(uri)
    return f"sqlite:///{path}" if path else uri.rstrip("/")


def sqlite_path(uri: str) -> Path | None:
    """The absolute path of a sqlite store's file, None for another kind of store.

    As in MLflow, `%20` in an address is a space of the path.
    """
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").split("?")[0])).absolute()


def public_address(uri: str) -> str:
    """The address without user, password and query, fit for logs and files."""
    if sqlite_path(uri):
        return uri.split("?")[0]
    try:
        parts = urlsplit(uri)
    except ValueError:
        return mask(uri)
    host = parts.netloc.rpartition("@")[2]
    query = MASK if parts.query else ""
    return mask(urlunsplit(parts._replace(netloc=host, query=query, fragment="")))


def store_key(uri: str) -> str:
    """A short file name for the store's address."""
    return hashlib.sha256(uri.encode()).hexdigest()[:12]


def is_database(uri: str) -> bool:
    """Whether the address is that of a database server."""
    return _scheme(uri).partition("+")[0] in DATABASES


def _scheme(uri: str) -> str:
    return uri.partition("://")[0].lower() if "://" in uri else ""


# ---------------------------------------------------------------- addresses that never work


def _check(uri: str) -> None:
    scheme = _scheme(uri)
    if uri[:1] in "\"'" and uri.endswith(uri[:1]) and len(uri) > 2:
        hint = "" if "@" in uri else f"write: export {VARIABLE}={shlex.quote(_expanded(uri[1:-1]))}"
        raise _refused(uri, "quotes around an address", hint or "write it without them")
    if uri in _OF_DATABRICKS or scheme in _OF_DATABRICKS:
        return
    if scheme in _SERVERS:
        _check_server(uri)
    elif uri.lower().startswith("sqlite"):
        _check_sqlite(uri)
    elif scheme == "file" or uri.lower().startswith("file:") or not scheme:
        _refuse_folder_or_nonsense(uri)
    elif is_database(uri):
        _check_database(uri)
    elif scheme not in {point.name for point in entry_points(group="mlflow.tracking_store")}:
        near = {"postgres": "postgresql"}.get(scheme) or nearest(scheme, _NAMES)
        raise _refused(
            uri, f"the scheme {scheme!r}, which MLflow does not know", f"did you mean {near}://" if near else ""
        )


def _check_server(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port  # `port` raises where it is no number
    except ValueError:
        host = None
    signs = "in a user name or password write @ as %40, / as %2F, : as %3A, # as %23 and ? as %3F"
    if not host or re.search(r"[\s\\]", uri) or parts.netloc.count("@") > 1:
        raise _refused(uri, "no valid host and port", signs if "@" in uri else "")
    if parts.fragment.startswith("/") and "@" not in uri:  # `https://HOST/#/experiments/1`, as a browser shows it
        server = urlunsplit(parts._replace(fragment="", query="")).rstrip("/")
        raise _refused(uri, "the page of a server", f"write: export {VARIABLE}={shlex.quote(server)}")
    if parts.query or parts.fragment or "@" in parts.path:
        raise _refused(
            uri,
            "more than the address of a server",
            signs if "@" in parts.path + parts.query + parts.fragment else
            "MLflow takes no query in it: a token goes into MLFLOW_TRACKING_TOKEN, a password into "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )  # fmt: skip


def _check_sqlite(uri: str) -> None:
    if not uri.startswith("sqlite:///"):
        found = re.match(r"(?i)sqlite(?:\+\w+)?:/*(.*)", uri)
        name = found.group(1).lstrip("/") if found else ""
        hint = _write_file(_expanded(name)) if name else ""
        raise _refused(uri, "a sqlite address without sqlite:///", hint)
    path = sqlite_path(uri)
    assert path is not None
    text, _, query = uri.removeprefix("sqlite:///").partition("?")
    if not text.strip("/") or text == ":memory:" or text.startswith("file:"):
        raise _refused(uri, "no file", "a store in memory ends with its process")
    if text.endswith("/") or path.is_dir():
        inside = shlex.quote(f"sqlite:///{path / 'mlflow.db'}")
        raise _refused(uri, f"the folder {path}", f"for a file in it: export {VARIABLE}={inside}")
    if path.exists() and not path.is_file():
        raise _refused(uri, f"{path}, which is no ordinary file", "")
    expanded = _expanded(text)
    if expanded != text and not path.parent.is_dir():
        raise _refused(uri, "a ~ or $ that no shell has replaced", _write_file(expanded))
    if query and not re.fullmatch(r"\w+=[^/?]*(?:&\w+=[^/?]*)*", query):
        raise _refused(uri, "a ? in a path, which ends it for MLflow", _ELSEWHERE)
    block = next((folder for folder in path.parents if folder.exists()), path)
    if not block.is_dir():
        raise _refused(uri, f"a path through {block}, which is a file", "")
    literal = Path(text).absolute()
    if re.search(r"%[0-9A-Fa-f]{2}|\?", str(path)) or (literal.parent.is_dir() and not path.parent.is_dir()):
        raise _refused(
            uri,
            f"the path {literal}, whose % or ? MLflow reads as a code",
            _ELSEWHERE,
        )


def _expanded(path: str) -> str:
    """A path as a shell would have written it: `~` and variables replaced."""
    return os.path.expandvars(user_path(path) if path.startswith("~") else path)


def _write_file(path: str) -> str:
    return f"write: export {VARIABLE}={shlex.quote(f'sqlite:///{path}')}"


def _check_database(uri: str) -> None:
    import sqlalchemy.exc
    from sqlalchemy.engine import make_url

    try:
        url = make_url(uri)
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except ImportError as error:
        package = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}.get(error.name or "", error.name or "it")
        raise _refused(
            uri,
            f"a database whose driver {error.name} is not installed",
            f"install it here: pip install {package}",
        ) from None
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise _refused(uri, "an address that SQLAlchemy cannot read", "") from None


def _refuse_folder_or_nonsense(uri: str) -> None:
    if re.match(r"^[\w.-]+:\d+(/|$)", uri):
        raise _refused(uri, "no scheme", f"write: export {VARIABLE}={shlex.quote(f'http://{uri}')}")
    if re.match(r"^(?:localhost|\d{1,3}(?:\.\d{1,3}){3})/?$", uri) and not Path(uri).exists():
        raise _refused(uri, "no scheme", f"write, with its port: export {VARIABLE}=http://{uri.rstrip('/')}:5000")
    if "@" not in uri and (server := re.match(r"(?i)^(https?)(?::|/)+([\w.-]+(?::\d+)?)/?$", uri)):
        raise _refused(uri, "a malformed address", f"write: export {VARIABLE}={server[1].lower()}://{server[2]}")
    if re.match(r"(?i)^https?\b", uri) or "@" in uri:
        raise _refused(uri, "a malformed address", "")
    if re.search(r"\.(db|sqlite3?)$", uri):
        raise _refused(uri, "a file without a scheme", _write_file(_expanded(uri)))
    folder = unquote(re.sub(r"(?i)^file:(//(localhost)?(?=/))?", "", uri))
    moved = ""
    if Path(folder).is_dir() and find_spec("mlflow") is not None:
        moved = f"\n  what it holds goes along with: mlflow migrate-filestore --source {shlex.quote(folder)} "
        moved += f"--target {DEFAULT_STORE}"
    raise _refused(uri, "a folder of files, which MLflow no longer takes", _WAY_OUT + moved)


def _refused(uri: str, what: str, way_out: str) -> UserError:
    """What the user reads: the variable, the address without its secrets, what is wrong with it, what to do."""
    way_out = way_out or _WAY_OUT
    return UserError(mask(f"{VARIABLE}: got {_shown(uri)!r} ({what}), {_EXPECTED}\n  {way_out}"))


def _shown(uri: str) -> str:
    """A malformed address as it may be shown: up to its last `@` and from its `?` on it may be anything."""
    head, at, rest = uri.rpartition("@")
    if at:
        scheme = re.match(r"^[A-Za-z][\w+.-]*:[/\\]*", head)
        uri = f"{scheme.group(0) if scheme and '/' in scheme.group(0) else ''}{MASK}@{rest}"
    address, mark, _ = uri.partition("?")
    return mask(f"{address}{mark}{MASK if mark else ''}"[:200])
