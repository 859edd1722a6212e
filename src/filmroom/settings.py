"""One frozen tree of settings: every field has a type, a default, a unit in its name, and help.

Values come from, in rising order: the defaults here, a TOML file (``FILMROOM_CONFIG`` or ``filmroom.toml`` in the
data folder), the environment. ``docs/operate/settings.md`` is generated from this file.
"""

import dataclasses
import math
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The highest TCP port; 0 has the system choose one.
_MAX_PORT = 65_535


def setting(default: Any, *, help: str, env: str = "", secret: bool = False, highest: float = math.inf) -> Any:
    """A field of a section: its default, the sentence an administrator reads, and the variable that overrides it.

    A number lies between 0 and ``highest``.
    """
    return field(default=default, metadata={"help": help, "env": env, "secret": secret, "highest": highest})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the index lives."""

    url: str = setting(
        "",
        env="FILMROOM_DATABASE_URL",
        secret=True,
        help="PostgreSQL 15 or newer, as postgresql://user:password@host:port/name. Empty: Filmroom runs its own "
        "private PostgreSQL inside the data folder.",
    )
    pool_size: int = setting(12, help="Connections that this process keeps to the database.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DimseSettings:
    """The DICOM listener and the associations that Filmroom opens."""

    host: str = setting(
        "127.0.0.1",
        env="FILMROOM_DICOM_HOST",
        help="Address to listen on. The default answers this machine only; 0.0.0.0 opens every interface.",
    )
    port: int = setting(11112, env="FILMROOM_DICOM_PORT", highest=_MAX_PORT, help="TCP port of the DICOM listener.")
    ae_title: str = setting("FILMROOM", env="FILMROOM_AE_TITLE", help="AE title of this archive.")
    check_called_ae: bool = setting(True, help="Refuse associations that call another AE title than ours.")
    trust_loopback: bool = setting(
        True, help="Accept any calling AE title from this machine's own loopback address, without registration."
    )
    max_pdu_bytes: int = setting(131_072, help="Largest P-DATA-TF PDU that Filmroom is willing to receive, in bytes.")
    max_associations: int = setting(
        2000, help="Open associations in all; one more is rejected as 'local limit exceeded' (PS3.8 table 9-21)."
    )
    max_associations_per_ae: int = setting(200, help="Open associations of one calling AE title.")
    artim_timeout_s: float = setting(
        30.0, help="Seconds a connection may stand without an association, or wait for its peer to close (ARTIM)."
    )
    idle_timeout_s: float = setting(600.0, help="Seconds an association may stand with no message in either direction.")
    pdu_timeout_s: float = setting(60.0, help="Seconds a peer may take over one PDU or one message once begun.")
    response_timeout_s: float = setting(60.0, help="Seconds to wait for a peer's answer to a request of ours.")
    connect_timeout_s: float = setting(10.0, help="Seconds to wait for a TCP connection to a peer.")
    tls_port: int = setting(
        2762,
        env="FILMROOM_DICOM_TLS_PORT",
        highest=_MAX_PORT,
        help="TCP port of the DICOM listener over TLS; it opens when tls_certificate is set.",
    )
    tls_certificate: str = setting(
        "",
        env="FILMROOM_DICOM_TLS_CERTIFICATE",
        help="PEM file of our certificate with its intermediates, for both directions; read again when it changes. "
        "Empty: no TLS listener.",
    )
    tls_key: str = setting(
        "", env="FILMROOM_DICOM_TLS_KEY", help="PEM file of the certificate's private key, without a passphrase."
    )
    tls_ca: str = setting(
        "", env="FILMROOM_DICOM_TLS_CA", help="PEM file of the certificate authorities that peers are verified against."
    )
    tls_client_certificates: str = setting(
        "none", help="Certificates of callers over TLS: none, wanted (verified when shown) or required."
    )
    user_identity: str = setting(
        "ignored",
        help="User identity of callers (name and passcode, PS3.7 D.3.3.7): ignored, accepted (checked when it is sent) "
        "or required. Over an open network the passcode is readable: use it with TLS.",
    )
    user_identity_role: str = setting("", help="A role that the user of an association must have. Empty: any account.")
    accept_unknown_sop_classes: bool = setting(
        True, help="Accept C-STORE of SOP classes that are not in the tables, private ones included."
    )
    max_find_results: int = setting(
        0, help="Matches after which C-FIND ends with A700 instead of going on; 0 means no limit."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The HTTP listener: DICOMweb, viewer, API."""

    host: str = setting(
        "127.0.0.1",
        env="FILMROOM_HTTP_HOST",
        help="Address to listen on. The default answers this machine only; 0.0.0.0 opens every interface.",
    )
    port: int = setting(8080, env="FILMROOM_HTTP_PORT", highest=_MAX_PORT, help="TCP port of the web listener.")
    public_url: str = setting(
        "",
        env="FILMROOM_PUBLIC_URL",
        help="Address that browsers use, where a proxy stands in front, with the path below which it shows this server "
        "if it does (https://pacs.example.org/images). Empty: as asked.",
    )
    trusted_proxies: str = setting(
        "",
        env="FILMROOM_TRUSTED_PROXIES",
        help="Networks of reverse proxies whose X-Forwarded-For, -Proto, -Host and -Prefix are believed, separated by "
        "commas (10.0.0.5/32): who tries passwords, and who is in the audit trail, is then the browser and not the "
        "proxy, and addresses that are handed out are the ones that the browser uses.",
    )
    session_hours: float = setting(12.0, help="Hours after which a browser session ends.")
    max_json_bytes: int = setting(1_048_576, help="Largest JSON request body, in bytes.")
    max_event_streams: int = setting(
        3000, help="Event streams (SSE) that one process serves at once; one more is refused with 503."
    )
    max_store_bytes: int = setting(64 * 2**30, help="Largest STOW-RS request body, in bytes.")
    qido_default_limit: int = setting(200, help="Matches that QIDO-RS returns when no limit is asked.")
    qido_max_limit: int = setting(5000, help="Most matches that one QIDO-RS answer holds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hl7Settings:
    """The HL7 v2 listener (MLLP)."""

    host: str = setting("127.0.0.1", env="FILMROOM_HL7_HOST", help="Address to listen on.")
    port: int = setting(2575, env="FILMROOM_HL7_PORT", highest=_MAX_PORT, help="TCP port of the MLLP listener.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where the bytes go."""

    path: str = setting(
        "", env="FILMROOM_STORAGE", help="Folder of the online store. Empty: 'store' in the data folder."
    )
    pack_below_bytes: int = setting(
        1_048_576,
        help="Objects smaller than this are appended to pack files (plain TAR); larger ones get a file of their own.",
    )
    pack_size_bytes: int = setting(256 * 2**20, help="Size at which a pack file is closed and the next one begun.")
    reserve_bytes: int = setting(
        512 * 2**20, help="Free space below which Filmroom stops accepting objects (A700, 507), in bytes."
    )
    ingest_memory_bytes: int = setting(
        48 * 2**20,
        help="Memory that objects on their way in may occupy over all associations; beyond it they go to disk at once.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """How objects are filed."""

    quiet_s: float = setting(60.0, help="Seconds without a new object after which a study counts as complete.")
    quarantine_days: int = setting(
        0, help="Days after which an object in quarantine that nobody decided about is given up; 0: never."
    )
    pixel_workers: int = setting(2, help="Processes that decode, transcode and render pixel data.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """What goes out to other nodes, and storage commitment both ways."""

    retry_hours: float = setting(
        24.0, help="Hours for which an object is offered again to a destination that is away or full."
    )
    bytes_per_s: int = setting(
        0,
        help="Most bytes a second that all objects sent to other nodes take together; destinations share them evenly. "
        "0: no limit.",
    )
    commitment_window_s: float = setting(
        30.0,
        help="Seconds to wait for objects that are still arriving before a storage commitment request fails for them.",
    )
    commitment_retry_hours: float = setting(
        24.0, help="Hours for which a storage commitment report, or a request of ours, is tried again."
    )
    commitment_wait_s: float = setting(
        5.0, help="Seconds an association on which we asked for storage commitment is kept open for the report."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSettings:
    """Work items, notices and what is kept of finished work."""

    workitem_days: float = setting(
        1.0, help="Days a finished work item (UPS) is kept once nobody holds a deletion lock on it."
    )
    notice_retry_hours: float = setting(
        24.0,
        help="Hours for which an event report, availability notice or forwarded procedure step is tried again.",
    )
    event_reports: bool = setting(
        True, help="Tell devices of work items (UPS) by N-EVENT-REPORT; false answers their subscriptions with C315."
    )
    commitment_overdue_hours: float = setting(
        24.0, help="Hours after which a storage commitment request of ours that nobody answered is marked overdue."
    )
    keep_query_values: bool = setting(
        True,
        help="Keep patient names and identifiers in remembered worklist queries; false keeps that they were asked.",
    )
    history_days: float = setting(
        30.0, help="Days that finished jobs, deliveries, storage commitments and event reports are kept."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """The change feed and its webhooks."""

    keep_days: float = setting(
        90.0, help="Days that facts are kept for /api/v1/changes; reading on from an older place is answered 410."
    )
    webhook_networks: str = setting(
        "",
        env="FILMROOM_WEBHOOK_NETWORKS",
        help="Networks that webhooks may reach although they are private, local to the link or this machine: "
        "addresses with prefix length, separated by commas (10.1.2.0/24,fd00::/8).",
    )
    webhook_retry_hours: float = setting(
        24.0, help="Hours for which an event is offered again to a webhook that is away or answers 5xx, 408 or 429."
    )
    webhook_log_days: float = setting(30.0, help="Days that the log of webhook deliveries is kept.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """The flight recorder: what was said on each association, without patient data."""

    enabled: bool = setting(True, help="Record every association, both directions.")
    keep_days: float = setting(14.0, help="Days after which recordings are deleted.")
    keep_count: int = setting(200_000, help="Most recordings that are kept; the oldest go first.")
    keep_bytes: int = setting(2**30, help="Most bytes of recordings that are kept; the oldest go first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapSettings:
    """A directory of people: LDAP or Active Directory."""

    url: str = setting(
        "", env="FILMROOM_LDAP_URL", help="ldaps://host or ldap://host (then start_tls). Empty: no directory is asked."
    )
    start_tls: bool = setting(True, help="Begin TLS on an ldap:// connection before anything is said.")
    ca: str = setting(
        "", help="PEM file of the authorities that the directory is verified against. Empty: the system's."
    )
    bind_dn: str = setting("", help="Whom Filmroom searches the directory as. Empty: anonymous.")
    bind_password: str = setting("", env="FILMROOM_LDAP_PASSWORD", secret=True, help="The password of bind_dn.")
    user_base: str = setting("", help="Where people are: ou=people,dc=example,dc=org.")
    user_filter: str = setting(
        "(uid={name})",
        help="Finds a person by the name that was typed. Active Directory, without accounts that are disabled: "
        "(&(sAMAccountName={name})(!(userAccountControl:1.2.840.113556.1.4.803:=2))).",
    )
    name_attribute: str = setting("uid", help="The attribute that becomes the account's name.")
    display_attribute: str = setting("cn", help="The attribute that people read.")
    id_attribute: str = setting(
        "entryUUID", help="The attribute that never changes. Active Directory: objectGUID. Empty: the DN."
    )
    group_base: str = setting("", help="Where groups are. Empty: memberOf of the person is read.")
    group_filter: str = setting(
        "(|(member={dn})(uniqueMember={dn})(memberUid={name}))",
        help="Finds a person's groups. Active Directory, groups of groups too: (member:1.2.840.113556.1.4.1941:={dn}).",
    )
    group_depth: int = setting(
        0, help="How many times the groups of the groups are asked for as well, where the directory does not do it."
    )
    roles: str = setting(
        "", help="Which group has which role: 'pacs-admins=administrator; cn=doctors,ou=groups,dc=x=radiologist'."
    )
    default_role: str = setting("", help="The role of people without a group of 'roles'. Empty: they may not sign in.")
    timeout_s: float = setting(5.0, help="Seconds to wait for the directory.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """An OpenID Connect provider."""

    issuer: str = setting("", help="The provider's address; its configuration is read from there.")
    client_id: str = setting("", help="As whom Filmroom is registered at the provider.")
    client_secret: str = setting("", secret=True, help="The secret of the registration. Empty: a public client.")
    label: str = setting("", help="What the button on the login page says. Empty: the provider's name.")
    scopes: str = setting("openid profile email", help="Scopes that are asked for.")
    groups_claim: str = setting("groups", help="The claim that holds groups; a dot goes deeper (realm_access.roles).")
    name_claim: str = setting("preferred_username", help="The claim that becomes the account's name.")
    roles: str = setting("", help="Which group has which role: 'pacs-admins=administrator; doctors=radiologist'.")
    default_role: str = setting("", help="The role of people without a group of 'roles'. Empty: they may not sign in.")
    ca: str = setting(
        "", help="PEM file of the authorities that the provider is verified against. Empty: the system's."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings:
    """People and how they sign in."""

    password_min_length: int = setting(10, help="Fewest characters of a new password.")
    password_history: int = setting(5, help="Earlier passwords that cannot be used again.")
    password_days: int = setting(0, help="Days after which a password must be changed; 0: never.")
    one_time_hours: float = setting(72.0, help="Hours for which a one-time password works.")
    idle_minutes: float = setting(
        120.0, help="Minutes without a request after which a browser session ends; 0: only web.session_hours count."
    )
    factor_roles: str = setting("", help="Roles that must have a second factor, separated by commas.")
    sealing_key: str = setting(
        "",
        env="FILMROOM_SEALING_KEY",
        help="File with the 32 bytes that seal secrets in the database; the same on every node. Empty: sealing.key in "
        "the data folder, made at the first start.",
    )
    ldap: LdapSettings = field(default_factory=LdapSettings)
    oidc: dict[str, OidcSettings] = field(
        default_factory=dict,
        metadata={"help": "OpenID Connect providers, each a table of its own: [people.oidc.NAME].", "env": ""},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuritySettings:
    """Rights and audit."""

    separate_duties: bool = setting(
        False,
        help="System, security and audit are three people's duties: the administrator role keeps the system alone, "
        "security-officer and auditor do the rest, nobody holds two of them, and none of the three sees patients.",
    )
    second_person: str = setting(
        "",
        help="What is done only when a second person agrees, separated by commas: delete (studies, series, objects), "
        "rights (roles and who has them).",
    )
    audit_days: float = setting(
        2190.0, help="Days that audit records are kept; 0 keeps them for ever. Law asks for at least 180 in China."
    )
    mass_access_studies: int = setting(
        200, help="Different studies opened by one person within an hour after which an alert is raised."
    )
    break_glass_hours: float = setting(4.0, help="Longest time, in hours, for which a broken glass opens a patient.")
    syslog_host: str = setting(
        "",
        env="FILMROOM_AUDIT_SYSLOG_HOST",
        help="Audit record repository to which every record is sent by syslog over TLS (RFC 5425). Empty: none.",
    )
    syslog_port: int = setting(6514, env="FILMROOM_AUDIT_SYSLOG_PORT", help="TCP port of the repository.")
    syslog_ca: str = setting(
        "",
        env="FILMROOM_AUDIT_SYSLOG_CA",
        help="PEM file of the authorities that the repository is verified against. Empty: those of the system.",
    )
    syslog_certificate: str = setting(
        "",
        env="FILMROOM_AUDIT_SYSLOG_CERTIFICATE",
        help="PEM file of our certificate, where the repository asks for one.",
    )
    syslog_key: str = setting("", env="FILMROOM_AUDIT_SYSLOG_KEY", help="PEM file of that certificate's private key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set."""

    data: Path = setting(Path("data"), env="FILMROOM_DATA", help="Folder that holds everything Filmroom keeps.")
    admin_password: str = setting(
        "",
        env="FILMROOM_ADMIN_PASSWORD",
        secret=True,
        help="Password of the first administrator. Empty: one is made and shown once.",
    )
    language: str = setting("en", env="FILMROOM_LANGUAGE", help="Language before a person has chosen one: en or zh.")
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    dimse: DimseSettings = field(default_factory=DimseSettings)
    web: WebSettings = field(default_factory=WebSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    hl7: Hl7Settings = field(default_factory=Hl7Settings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    recordings: RecordingSettings = field(default_factory=RecordingSettings)
    feed: FeedSettings = field(default_factory=FeedSettings)
    workflow: WorkflowSettings = field(default_factory=WorkflowSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)


class BadSetting(ValueError):
    """A setting cannot be used; the message names it and says what it must be."""


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises BadSetting with the name of the file or variable at fault."""
    data = Path(environ.get("FILMROOM_DATA") or "data")
    named = environ.get("FILMROOM_CONFIG")
    path = Path(named) if named else data / "filmroom.toml"
    tree: dict[str, Any] = {}
    if named or path.exists():
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadSetting(f"{path}: {error}") from error
    built: Settings = _build(Settings, tree, environ, where=str(path), prefix="")
    return dataclasses.replace(built, data=built.data.absolute())


def _build(section: Any, tree: Mapping[str, Any], environ: Mapping[str, str], *, where: str, prefix: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(section)}
    if unknown := set(tree) - set(fields):
        raise BadSetting(f"{where}: no setting is called {prefix}{min(unknown)}")
    hints = typing.get_type_hints(section)
    values: dict[str, Any] = {}
    for name, each in fields.items():
        if dataclasses.is_dataclass(hints[name]):
            below = tree.get(name, {})
            if not isinstance(below, dict):
                raise BadSetting(f"{where}: {prefix}{name} is a section, not a value")
            values[name] = _build(hints[name], below, environ, where=where, prefix=f"{prefix}{name}.")
            continue
        if typing.get_origin(hints[name]) is dict:
            values[name] = _named(typing.get_args(hints[name])[1], tree.get(name, {}), where, f"{prefix}{name}")
            continue
        if name in tree:
            values[name] = _fitting(tree[name], hints[name], f"{where}: {prefix}{name}", each)
        variable = each.metadata.get("env", "")
        if variable and environ.get(variable):
            values[name] = _fitting(environ[variable], hints[name], f"environment variable {variable}", each)
    return section(**values)


def _named(section: Any, tables: Any, where: str, prefix: str) -> dict[str, Any]:
    """Sections of one kind, each with a name of its own."""
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise BadSetting(f"{where}: {prefix} has a section for each name")
    return {name: _build(section, each, {}, where=where, prefix=f"{prefix}.{name}.") for name, each in tables.items()}


_IN_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}


def _fitting(value: Any, kind: Any, where: str, each: dataclasses.Field[Any]) -> Any:
    """The value in its type, a number within its bounds (NaN is within none)."""
    made = _convert(value, kind, where)
    highest = each.metadata["highest"]
    if kind in (int, float) and not 0 <= made <= highest:
        bounds = "not be below 0" if highest == math.inf else f"lie between 0 and {highest}"
        raise BadSetting(f"{where} must {bounds}, and is {made}")
    return made


def _convert(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, types.GenericAlias):
        kind = list
    try:
        if kind is bool and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str):
            return kind(value)
    except (KeyError, ValueError) as error:
        raise BadSetting(f"{where} must be {_IN_WORDS.get(kind, kind.__name__)}, not {value!r}") from error
    if type(value) is not kind:
        raise BadSetting(f"{where} must be {_IN_WORDS.get(kind, kind.__name__)}, not {value!r}")
    return value
