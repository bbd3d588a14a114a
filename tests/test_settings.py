"""The configuration: what is accepted, what is refused in which words, and what is only warned of."""

import datetime as dt
import hashlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ValidationError

from bridge.settings import Problem, Settings, SettingsError, described, is_loopback, load, sample, warnings

_TABLES = "must be a list: [[{}]] before each of its tables (in the environment: JSON)"
_ROOT = Path(__file__).parent.parent
_HASH = "ab" * 32
_SECRET = "S3cr3t-nobody-may-read"

# The page that defines the configuration shows this; it must go on working as it stands.
_CONTRACT = """
[http]
host = "127.0.0.1"
port = 8080
public_url = ""
trusted_hosts = []
tls_cert = ""
tls_key = ""
[ami]
host = "127.0.0.1"
port = 5038
username = "uapi"
secret = "change-me"
tls = false
ca_file = ""
[pbx]
channel = "PJSIP/{extension}"
context = "uapi-pickup"
[pbx.endpoints]
"0003*210" = "PJSIP/desk-7"
[uapi]
wait = 0
[[organizations]]
id = "3"
name = "Default Organization"
[[users]]
id = "12"
name = "John Doe"
organization = "3"
role = "user"
extensions = ["0003*210", "0003*1??"]
[[queues]]
name = "support"
extension = "0003*900"
[[apps]]
id = "demo-app"
user = "12"
secret_sha256 = ""
tokens_sha256 = []
"""

_PEOPLE = """
organizations = [{id = "3", name = "Default"}]
users = [
  {id = "12", name = "John Doe", organization = "3", extensions = ["0003*210", "0003*1??"]},
  {id = "13", name = "Jane Roe", organization = "3", extensions = ["0003*024"]},
]
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def _problems(path: Path | None, env: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """What is wrong, as key and sentence."""
    with pytest.raises(SettingsError) as caught:
        load(path, env or {})
    return [(problem.key, problem.message) for problem in caught.value.problems]


def test_the_sample_file_is_the_one_made_from_the_descriptions() -> None:
    """bridge.example.toml is written by sample(); write it again after changing a key."""
    assert (_ROOT / "bridge.example.toml").read_text(encoding="utf-8") == sample()


def test_the_sample_loads_and_says_what_the_defaults_are(write: Callable[[str], Path]) -> None:
    """Without its people, queues and apps the sample changes nothing."""
    settings = load(write(sample()), {})
    examples = ("organizations", "users", "queues", "apps")
    assert settings.model_dump(exclude=set(examples)) == Settings().model_dump(exclude=set(examples))
    assert [user.extensions for user in settings.users] == [("0003*210", "0003*1??")]


def test_every_key_is_described_once() -> None:
    """Each key has a sentence, a default or none, and the variable that sets it."""
    keys = {one.key: one for one in described()}
    assert len(keys) == len(described())
    for one in described():
        assert one.description.endswith("."), one
    secret, role, name = keys["ami.secret"], keys["users[].role"], keys["users[].name"]
    assert (secret.variable, secret.default) == ("BRIDGE_AMI__SECRET", '"change-me"')
    assert (role.variable, role.default) == ("BRIDGE_USERS__0__ROLE", '"user"')
    assert name.default is None


def test_the_contract_loads(write: Callable[[str], Path]) -> None:
    """Every key of the published configuration, with its type."""
    settings = load(write(_CONTRACT), {})
    assert settings.pbx.endpoints == {"0003*210": "PJSIP/desk-7"}
    assert settings.endpoints().endpoint(next(iter(settings.pbx.endpoints))) == "PJSIP/desk-7"
    assert settings.ami.secret.get_secret_value() == "change-me"
    assert (settings.users[0].role, settings.apps[0].user) == ("user", "12")


def test_no_file_at_all_is_the_defaults() -> None:
    """Everything has a default, so a container may be configured by its environment alone."""
    assert load(None, {}) == Settings()


# The environment


def test_the_environment_goes_before_the_file(write: Callable[[str], Path]) -> None:
    """Single values over the file's, whatever their type; the rest of the section stays."""
    settings = load(
        write('[ami]\nhost = "127.0.0.2"\nport = 5039'),
        {
            "BRIDGE_AMI__PORT": "6038",
            "BRIDGE_AMI__TLS": "true",
            "BRIDGE_AMI__SECRET": "[not json",
            "HOME": "/",
        },
    )
    assert (settings.ami.host, settings.ami.port, settings.ami.tls) == ("127.0.0.2", 6038, True)
    assert settings.ami.secret.get_secret_value() == "[not json"


def test_the_environment_reaches_into_lists(write: Callable[[str], Path]) -> None:
    """A number in the name is a place: the app's hash may come from the environment, its entry from the file."""
    path = write(_PEOPLE + 'apps = [{id = "demo", user = "12"}]')
    env = {
        "BRIDGE_APPS__0__SECRET_SHA256": _HASH,
        "BRIDGE_APPS__1__ID": "second",
        "BRIDGE_APPS__1__USER": "13",
        "BRIDGE_APPS__1__TOKENS_SHA256__0": _HASH.upper(),
    }
    apps = load(path, env).apps
    assert [(app.id, app.user, app.secret_sha256, app.tokens_sha256) for app in apps] == [
        ("demo", "12", _HASH, ()),
        ("second", "13", "", (_HASH,)),
    ]


def test_a_list_or_table_in_the_environment_is_json(write: Callable[[str], Path]) -> None:
    """As a whole it replaces the file's list, and joins its table."""
    settings = load(
        write('[pbx.endpoints]\n"1*1" = "PJSIP/a"\n[http]\ntrusted_hosts = ["a"]'),
        {"BRIDGE_HTTP__TRUSTED_HOSTS": '["b", "c"]', "BRIDGE_PBX__ENDPOINTS": '{"1*2": "PJSIP/b"}'},
    )
    assert settings.http.trusted_hosts == ("b", "c")
    assert settings.pbx.endpoints == {"1*1": "PJSIP/a", "1*2": "PJSIP/b"}


def test_json_may_stand_below_a_place_in_a_list(write: Callable[[str], Path]) -> None:
    """A list or a table within an entry, and a whole entry, are JSON as they are anywhere else."""
    path = write(_PEOPLE + 'apps = [{id = "demo", user = "12"}]')
    env = {
        "BRIDGE_APPS__0__TOKENS_SHA256": f'["{_HASH}"]',
        "BRIDGE_APPS__1": f'{{"id": "second", "user": "12", "tokens_sha256": ["{"1" * 64}"]}}',
        "BRIDGE_USERS__1__EXTENSIONS": '["0003*024", "0003*3??"]',
    }
    settings = load(path, env)
    assert [app.tokens_sha256 for app in settings.apps] == [(_HASH,), ("1" * 64,)]
    assert settings.users[1].extensions == ("0003*024", "0003*3??")
    assert _problems(path, {"BRIDGE_APPS__0__TOKENS_SHA256": "no list"}) == [
        ("apps[0].tokens_sha256", "must be a list (in the environment: JSON)")
    ]


@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_set_within_goes_before_the_whole(*, backwards: bool) -> None:
    """A list as JSON and one of its values by a name of its own: in whatever order the variables come."""
    env = {
        "BRIDGE_ORGANIZATIONS": '[{"id": "3", "name": "JSON"}, {"id": "4", "name": "Other"}]',
        "BRIDGE_ORGANIZATIONS__0__NAME": "Named",
        "BRIDGE_USERS__0": '{"id": "12", "name": "John", "organization": "3", "extensions": ["1", "2"]}',
        "BRIDGE_USERS__0__NAME": "John Doe",
        "BRIDGE_USERS__0__EXTENSIONS__1": "9",
        "BRIDGE_LIMITS": '{"burst": 7, "waits_per_app": 8}',
        "BRIDGE_LIMITS__BURST": "9",
    }
    settings = load(None, dict(reversed(env.items())) if backwards else env)
    assert [one.name for one in settings.organizations] == ["Named", "Other"]
    assert (settings.users[0].name, settings.users[0].extensions) == ("John Doe", ("1", "9"))
    assert (settings.limits.burst, settings.limits.waits_per_app) == (9, 8)


def test_the_file_may_be_named_by_the_environment(write: Callable[[str], Path]) -> None:
    """BRIDGE_CONFIG names the file unless the command line does."""
    path = write("[http]\nport = 1234")
    assert load(None, {"BRIDGE_CONFIG": str(path)}).http.port == 1234
    assert load(path, {"BRIDGE_CONFIG": "/nowhere"}).http.port == 1234


def test_a_variable_of_somebody_else_is_none_of_ours() -> None:
    """Kubernetes sets BRIDGE_PORT and the like for a service called bridge."""
    assert load(None, {"BRIDGE_PORT": "tcp://10.0.0.1:80", "BRIDGE_SERVICE_HOST": "10.0.0.1"}) == Settings()


def test_a_problem_says_which_variable_or_file_it_came_from(write: Callable[[str], Path]) -> None:
    """Whoever set the value finds the place without searching."""
    path = write("[ami]\nprot = 1\n[http]\nport = 70000")
    with pytest.raises(SettingsError) as caught:
        load(path, {"BRIDGE_AMI__PORT": "x", "BRIDGE_AIM__HOST": "y", "BRIDGE_USERS": "[{"})
    assert set(caught.value.problems) == {
        Problem("http.port", "must be at most 65535", str(path)),
        Problem("ami.port", "must be a whole number", "BRIDGE_AMI__PORT"),
        Problem("ami.prot", "is not known; did you mean port?", str(path)),
        Problem("users", _TABLES.format("users"), "BRIDGE_USERS"),
        Problem("aim", "is not known; did you mean ami?", "BRIDGE_AIM__HOST"),
    }
    assert f"{path}: http.port: must be at most 65535" in str(caught.value).splitlines()


# What is refused


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """Missing, not TOML, not UTF-8: said with the file's name."""
    broken, latin = tmp_path / "broken.toml", tmp_path / "latin.toml"
    broken.write_text("[http\nport = 1")
    latin.write_bytes('name = "Jörg"'.encode("latin-1"))
    said = {}
    for path in (tmp_path / "none.toml", broken, latin, tmp_path):
        with pytest.raises(SettingsError) as caught:
            load(path, {})
        said[path.name] = str(caught.value).removeprefix(f"{path}: ")
    assert said["none.toml"] == "cannot be read: No such file or directory"
    assert said["broken.toml"].startswith("is not TOML: ")
    assert "line 1" in said["broken.toml"]
    assert said["latin.toml"] == "is not UTF-8 (at byte 9)"
    assert said[tmp_path.name] == "cannot be read: Is a directory"


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "bridge.toml"
    path.write_bytes(b"\xef\xbb\xbf[http]\nport = 1234")
    assert load(path, {}).http.port == 1234


_WRONG_VALUES = [
    ("[http]\nport = -1", "http.port", "must be at least 0"),
    ('[http]\nport = "http"', "http.port", "must be a whole number"),
    (
        '[http]\nhost = "0.0.0.0:80 "',
        "http.host",
        "must be a host name or an address, without port and brackets",
    ),
    (
        '[http]\npublic_url = "example.org"',
        "http.public_url",
        "must be a URL such as https://uapi.example.org, without query, or empty",
    ),
    (
        '[http]\ntrusted_hosts = ["a", "b:80"]',
        "http.trusted_hosts[1]",
        "must be a host without port, such as uapi.example.org or *.example.org",
    ),
    (
        '[http]\ntrusted_proxies = ["10.0.0.1/8"]',
        "http.trusted_proxies[0]",
        "must be an address or a network such as 10.0.0.1 or 10.0.0.0/8 (its host bits zero)",
    ),
    (
        '[http]\ncors_origins = ["https://a.example/"]',
        "http.cors_origins[0]",
        "must be an origin such as https://app.example.org (no path), or *",
    ),
    (
        '[http]\ntls_cert = "a"',
        "http.tls_key",
        "is missing: http.tls_cert is of no use without its private key",
    ),
    (
        '[http]\ntls_key = "a"',
        "http.tls_cert",
        "is missing: http.tls_key is of no use without its certificate",
    ),
    ("[ami]\nport = 0", "ami.port", "must be at least 1"),
    ("[ami]\nport = 5038.5", "ami.port", "must be a whole number"),
    ('[ami]\ntls = "maybe"', "ami.tls", "must be true or false"),
    ("[ami]\nsecret = 12345", "ami.secret", "must be a text, in quotes"),
    (
        '[ami]\nsecret = "a\\r\\nAction: Command"',
        "ami.secret",
        "must be printable text, not empty, without blanks around it",
    ),
    ('[ami]\nusername = "a\\nb"', "ami.username", "must be printable text, not empty"),
    (
        '[ami]\nhost = "pbx.example.org"',
        "ami.secret",
        (
            "must not stay change-me with an Asterisk beyond this machine (pbx.example.org);"
            " set another here and in manager.d/uapi.conf"
        ),
    ),
    ('[pbx]\ncontext = "a,b"', "pbx.context", "must be the name of a dialplan context"),
    (
        '[pbx]\nchannel = "PJSIP/x"',
        "pbx.channel",
        "is not reversible: it needs {extension}, or {prefix} and {short}",
    ),
    (
        '[pbx.endpoints]\n"21O" = "PJSIP/a"',
        "pbx.endpoints.21O",
        "must be an extension number: digits and *, such as 0003*210",
    ),
    (
        '[pbx.endpoints]\n"1*1" = "PJSIP/a&PJSIP/b"',
        'pbx.endpoints."1*1"',
        "must be an endpoint: technology/name, such as PJSIP/0003*210",
    ),
    (
        '[pbx.endpoints]\n"1*1" = "PJSIP/a"\n"1*2" = "PJSIP/a"',
        'pbx.endpoints."1*2"',
        "has the same endpoint as 1*1",
    ),
    ("[uapi]\nwait = 61", "uapi.wait", "must be at most 60"),
    ("[uapi]\nwait = -0.5", "uapi.wait", "must be at least 0"),
    ("[uapi]\nwait = nan", "uapi.wait", "must be at most 60"),
    ("[limits]\nrequests_per_second = 0", "limits.requests_per_second", "must be above 0"),
    ("[htpp]\nport = 1", "htpp", "is not known; did you mean http?"),
    ("http = 1", "http", "must be a table (in the environment: JSON)"),
    ("[[http]]\nport = 1", "http", "must be a table (in the environment: JSON)"),
    ('organizations = "3"', "organizations", _TABLES.format("organizations")),
    ('[apps]\nid = "1"', "apps", _TABLES.format("apps")),
    (
        'organizations = [{name = "A"}]',
        "organizations[0].id",
        "is missing. Its id, the ownerId of its phone calls.",
    ),
    (
        'organizations = [{id = "@me", name = "A"}]',
        "organizations[0].id",
        "must be letters, digits and . _ ~ -, beginning with a letter or digit",
    ),
    (
        'organizations = [{id = "3", name = "A"}, {id = "3", name = "B"}]',
        "organizations[1].id",
        "is that of organizations[0] too: 3",
    ),
]

_WRONG_PEOPLE = [
    (
        'apps = [{id = "a", user = "14"}]',
        "apps[0].user",
        "there is no user with the id 14",
    ),
    (
        'apps = [{id = "a", user = "12"}, {id = "a", user = "12"}]',
        "apps[1].id",
        "is that of apps[0] too: a",
    ),
    (
        f'apps = [{{id = "a", user = "12", tokens_sha256 = ["{_HASH}", "{_SECRET}"]}}]',
        "apps[0].tokens_sha256[1]",
        "must be the SHA-256 of it as 64 hex digits; `uapi-bridge token` makes one",
    ),
    (
        f'apps = [{{id = "a", user = "12", secret_sha256 = "{_SECRET}"}}]',
        "apps[0].secret_sha256",
        "must be the SHA-256 of it as 64 hex digits; `uapi-bridge token` makes one",
    ),
    (
        (
            f'apps = [{{id = "a", user = "12", tokens_sha256 = ["{_HASH}"]}},'
            f' {{id = "b", user = "12", tokens_sha256 = ["{_HASH.upper()}"]}}]'
        ),
        "apps[1].tokens_sha256[0]",
        "is listed in apps[0] already",
    ),
    (
        'queues = [{name = "a", extension = "1*1"}, {name = "a", extension = "1*2"}]',
        "queues[1].name",
        "is that of queues[0] too: a",
    ),
    (
        'queues = [{name = "a", extension = "1*1"}, {name = "b", extension = "1*1"}]',
        "queues[1].extension",
        "is that of queues[0] too: 1*1",
    ),
    (
        'queues = [{name = "a", extension = "1*1"}]\n[pbx.endpoints]\n"1*1" = "PJSIP/a"',
        'pbx.endpoints."1*1"',
        "is the extension of the queue a, which is no phone",
    ),
    (
        'queues = [{name = "a", extension = "0004*1"}]\npbx = {channel = "PJSIP/{short}"}',
        "pbx.channel",
        (
            "is not reversible: {short} alone does not tell the prefixes '0003', '0004' apart;"
            " add {prefix}, or use {extension}"
        ),
    ),
]


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [*_WRONG_VALUES, *((_PEOPLE + text, key, says) for text, key, says in _WRONG_PEOPLE)],
)
def test_what_is_wrong_is_said_with_its_key(
    write: Callable[[str], Path], text: str, key: str, says: str
) -> None:
    """One fault makes one sentence, which says what would be right."""
    assert _problems(write(text)) == [(key, says)]


def _users(*lists: list[str], organization: str = "3", role: str = "user") -> dict[str, Any]:
    return {
        "organizations": [{"id": "3", "name": "Default"}],
        "users": [
            {
                "id": str(at),
                "name": f"User {at}",
                "organization": organization,
                "role": role,
                "extensions": one,
            }
            for at, one in enumerate(lists)
        ],
    }


@pytest.mark.parametrize(
    ("lists", "key", "says"),
    [
        (
            (["0003*210"], ["0003*210"]),
            "users[1].extensions[0]",
            "0003*210 and 0003*210 of users[0] (User 0) have 0003*210 in common; a number has one owner",
        ),
        (
            (["0003*1??"], ["0003*9", "0003*?7?"]),
            "users[1].extensions[1]",
            "0003*?7? and 0003*1?? of users[0] (User 0) have 0003*17? in common; a number has one owner",
        ),
    ],
)
def test_a_number_of_two_users_is_refused(lists: tuple[list[str], ...], key: str, says: str) -> None:
    """Also when only patterns overlap; the numbers in question are named."""
    with pytest.raises(SettingsError) as caught:
        Settings.model_validate(_users(*lists))
    assert caught.value.problems == (Problem(key, says),)


def test_patterns_without_a_common_number_stand_side_by_side() -> None:
    """? is no star, lengths differ, and a user's own patterns may overlap."""
    settings = Settings.model_validate(_users(["0003*1??", "0003*123"], ["0003*1?", "0003?1??", "0003*2??"]))
    assert len(list(settings.numbers())) == 5


@pytest.mark.parametrize("pattern", ["", "0003*21x", "0003*[12]", "0003*+", "1" * 33])
def test_a_pattern_that_fits_no_number_is_refused(pattern: str) -> None:
    """Nothing could ever be listed under it."""
    with pytest.raises(ValidationError, match=r"users\.0\.extensions\.0"):
        Settings.model_validate(_users([pattern]))


def test_unknown_names_and_roles_are_refused(write: Callable[[str], Path]) -> None:
    """A user's organization must exist, and the role be one of three."""
    with pytest.raises(SettingsError) as caught:
        Settings.model_validate(_users(["1"], organization="33"))
    assert caught.value.problems == (
        Problem("users[0].organization", "there is no organization with the id 33; did you mean 3?"),
    )
    assert _problems(write('users = [{id = "1", name = "A", organization = "3", role = "boss"}]')) == [
        ("users[0].role", "must be 'user', 'organization' or 'global'")
    ]


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to start the service five times to hear of five faults."""
    with pytest.raises(SettingsError) as caught:
        Settings.model_validate(
            {
                **_users(["0003*1"], ["0003*1"]),
                "ami": {"host": "10.0.0.1"},
                "apps": [{"id": "a", "user": "x"}],
                "pbx": {"channel": "PJSIP/{x}"},
            }
        )
    assert [one.key for one in caught.value.problems] == [
        "ami.secret",
        "apps[0].user",
        "users[1].extensions[0]",
        "pbx.channel",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'[ami]\nsecret = "{_SECRET}"\nport = "x"',
        f'[ami]\nsecret = ["{_SECRET}"]',
        f'[ami]\nsecret = "{_SECRET}\\u0007"',
        f'[ami]\nscret = "{_SECRET}"',
        f'[ami]\nsecret = "{_SECRET}',
        f'[ami]\nport = "{_SECRET}"',
        f'apps = [{{id = "a", user = "b", secret_sha256 = "{_SECRET}"}}]',
        f'apps = [{{id = "a", user = "b", tokens_sha256 = ["{_SECRET}"]}}]',
        f'apps = ["{_SECRET}"]',
    ],
)
def test_no_error_repeats_a_secret(write: Callable[[str], Path], text: str) -> None:
    """Not in the sentences, not in the traceback, wherever a secret was put by mistake."""
    with pytest.raises(SettingsError) as caught:
        load(write(text), {})
    assert _SECRET not in "".join(traceback.format_exception(caught.value))
    assert _SECRET not in repr(caught.value.problems)


def test_settings_do_not_show_their_secrets() -> None:
    """Neither the AMI secret nor the hashes that tokens are checked with stand in a log of the settings."""
    settings = Settings.model_validate(
        {
            **_users(["1"]),
            "ami": {"secret": _SECRET},
            "apps": [{"id": "a", "user": "0", "secret_sha256": _HASH, "tokens_sha256": ["cd" * 32]}],
        }
    )
    assert not any(secret in f"{settings!r} {settings}" for secret in (_SECRET, _HASH, "cd" * 32))


def test_settings_cannot_be_changed() -> None:
    """What was checked stays what it was."""
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.ami.port = 1  # type: ignore[misc]  # that it cannot be assigned is the point


# Files that the configuration names


@pytest.fixture
def pem(tmp_path: Path) -> Callable[..., str]:
    def _pem(name: str, *objects: Any, password: bytes | None = None) -> str:
        path = tmp_path / name
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password)
        path.write_bytes(
            b"".join(
                one.public_bytes(serialization.Encoding.PEM)
                if isinstance(one, x509.Certificate)
                else one.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
                )
                for one in objects
            )
        )
        return str(path)

    return _pem


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    day = dt.timedelta(days=1)
    return builder.not_valid_before(now - day).not_valid_after(now + day).sign(key, hashes.SHA256())


def test_certificate_and_key_are_tried_at_start(
    pem: Callable[..., str], write: Callable[[str], Path], tmp_path: Path
) -> None:
    """A pair that does not fit, a key with a password and a missing file are told before anything listens."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    cert, good = pem("c.pem", _certificate(key)), pem("k.pem", key)
    locked, wrong = pem("l.pem", key, password=b"pw"), pem("o.pem", other)
    none = str(tmp_path / "none.pem")

    def config(tls_cert: str, tls_key: str) -> Path:
        return write(f'[http]\ntls_cert = "{tls_cert}"\ntls_key = "{tls_key}"')

    assert load(config(cert, good), {}).http.tls_key == good
    assert _problems(config(cert, wrong)) == [
        ("http.tls_cert", "and http.tls_key are no such pair of PEM files: key values mismatch")
    ]
    assert _problems(config(cert, locked)) == [
        ("http.tls_key", "is protected by a password, which nobody could type at start")
    ]
    assert _problems(config(none, good)) == [("http.tls_cert", "cannot be read: No such file or directory")]
    assert [key for key, _ in _problems(config(good, cert))] == ["http.tls_cert"]


def test_the_ca_of_the_manager_interface_is_tried_at_start(
    pem: Callable[..., str], write: Callable[[str], Path]
) -> None:
    """A file without certificates is no CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    good, bad = pem("ca.pem", _certificate(key)), pem("key.pem", key)
    assert load(write(f'[ami]\ntls = true\nca_file = "{good}"'), {}).ami.ca_file == good
    (problem,) = _problems(write(f'[ami]\ntls = true\nca_file = "{bad}"'))
    assert problem[0] == "ami.ca_file"
    assert problem[1].startswith("is no PEM file of certificates")


# What is only warned of


def _quiet() -> dict[str, Any]:
    """A configuration with nothing to say about it."""
    return {
        **_users(["0003*210", "0003*900"]),
        "ami": {"secret": _SECRET},
        "apps": [{"id": "a", "user": "0", "tokens_sha256": [_HASH]}],
        "queues": [{"name": "support", "extension": "0003*900"}],
    }


def test_a_sound_configuration_has_no_warnings() -> None:
    """So that a warning is worth reading."""
    assert warnings(Settings.model_validate(_quiet())) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"http": {"host": "0.0.0.0", "public_url": "http://a"}},
            "http.host: listening on 0.0.0.0 without TLS",
        ),
        ({"http": {"host": "::", "trusted_proxies": ["10.0.0.1"]}}, "http.trusted_hosts: is empty"),
        ({"http": {"trusted_proxies": ["0.0.0.0/0"]}}, "http.trusted_proxies: covers every address"),
        ({"http": {"cors_origins": ["*"]}}, "http.cors_origins: * lets"),
        ({"ami": {}}, "ami.secret: is still change-me"),
        ({"ami": {"host": "pbx", "secret": "x"}}, "ami.tls: is off"),
        ({"ami": {"secret": "x", "ca_file": "ca.pem"}}, "ami.ca_file: has no effect"),
        ({"apps": []}, "apps: is empty"),
        ({"apps": [{"id": "a", "user": "0"}]}, "apps[0]: a has neither"),
        (
            {
                "apps": [
                    {
                        "id": "a",
                        "user": "0",
                        "secret_sha256": hashlib.sha256(b"change-me").hexdigest(),
                    }
                ]
            },
            "apps[0]: a secret or token of a is one that anybody would try first",
        ),
        (
            {"queues": [{"name": "q", "extension": "0003*901"}]},
            "queues[0].extension: 0003*901 is in no user's list",
        ),
        ({"pbx": {"endpoints": {"0003*211": "PJSIP/a"}}}, 'pbx.endpoints."0003*211": is in no user\'s list'),
        (_users([], ["0003*900"]), "users[0]: User 0 has no extensions"),
    ],
)
def test_what_is_rarely_meant_is_said(change: dict[str, Any], says: str) -> None:
    """One warning for each, and the service starts all the same."""
    found = warnings(Settings.model_validate({**_quiet(), **change}))
    assert len(found) == 1
    assert found[0].startswith(says)


def test_tls_or_a_known_proxy_ends_the_warning_about_listening() -> None:
    """Either makes it reasonable to listen beyond this machine."""
    listening = {"host": "0.0.0.0", "public_url": "https://uapi.example.org"}
    for more in ({"tls_cert": "c", "tls_key": "k"}, {"trusted_proxies": ["10.0.0.0/8"]}):
        assert warnings(Settings.model_validate({**_quiet(), "http": {**listening, **more}})) == ()


def test_loopback_is_this_machine_only() -> None:
    """Addresses of the loopback networks and localhost; any other name may lead anywhere."""
    hosts = (
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "localhost",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "asterisk",
        "localhost.example",
    )
    assert [is_loopback(host) for host in hosts] == [True] * 4 + [False] * 5


def test_every_section_refuses_what_it_does_not_know() -> None:
    """A misspelt key is never silently the default."""

    def models(model: type[BaseModel]) -> set[type[BaseModel]]:
        found = {model}
        for field in model.model_fields.values():
            for one in (field.annotation, *getattr(field.annotation, "__args__", ())):
                if isinstance(one, type) and issubclass(one, BaseModel):
                    found |= models(one)
        return found

    assert len(models(Settings)) == 10
    assert {one.model_config.get("extra") for one in models(Settings)} == {"forbid"}
