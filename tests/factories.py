"""Makes rows for tests, in a named state of their life, through the verbs that make them in earnest."""

from __future__ import annotations

from typing import Any

import factory

from history.changesets import change_set
from releases.actions import create_release, store, submit_locale
from releases.models import AllowedDomain, Release, SpecialForceHost
from rules.actions import create_rule, set_pin, shut_off
from rules.models import EmergencyShutoff, PinnableRelease, Rule

PLATFORM = "Linux_x86_64-gcc3"
CDN = "cdn.example"


class VerbFactory(factory.Factory):
    """Base: `act` calls the verb, inside a change set of its own or the one that is open."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        with change_set(actor_name="factory", reason=f"make a {model_class.__name__}"):
            return cls.act(**kwargs)


def locale_document(build_id: str = "20250101000000", size: int = 1000) -> dict[str, Any]:
    """Return what a build submits for one locale."""
    return {
        "buildID": build_id,
        "completes": [{"from": "*", "filesize": size, "hashValue": "ab" * 64}],
    }


def release_document(
    name: str, version: str = "10.0", locales: tuple[str, ...] = ("de", "en-US")
) -> dict[str, Any]:
    """Return an application release of version 9 with one platform, its alias, and some locales."""
    return {
        "name": name,
        "schema_version": 9,
        "hashFunction": "sha512",
        "appVersion": version,
        "displayVersion": version,
        "updateLine": [{"for": {}, "fields": {"type": "minor"}}],
        "platforms": {
            PLATFORM: {
                "OS_BOUNCER": "linux64",
                "OS_FTP": "linux-x86_64",
                "locales": {locale: locale_document() for locale in locales},
            },
            "Linux_x86_64-alias": {"alias": PLATFORM},
        },
    }


class ReleaseFactory(VerbFactory):
    """`ReleaseFactory(name=..., version=..., locales=(...))`."""

    class Meta:
        model = Release

    name = factory.Sequence(lambda number: f"Acme-{number}.0-build1")
    product = "Acme"
    version = "10.0"
    locales = ("de", "en-US")

    @classmethod
    def act(cls, **values: Any) -> Release:
        document = values.pop("document", None) or release_document(
            values["name"], values["version"], values["locales"]
        )
        return create_release(
            values["name"], values["product"], document, read_only=values.get("read_only", False)
        )

    @classmethod
    def served(cls, name: str, version: str, **values: Any) -> Release:
        """A release of which clients get something: its payloads are at CDN (`AllowedDomainFactory`)."""
        document = release_document(name, version)
        document["fileUrls"] = {"*": {"completes": {"*": f"https://{CDN}/{name}/%LOCALE%.mar"}}}
        return cls(name=name, document=document, **values)

    @classmethod
    def locked(cls, **values: Any) -> Release:
        """A release that is read-only."""
        return cls(read_only=True, **values)

    @classmethod
    def mapped(cls, **values: Any) -> Release:
        """A release that a rule offers."""
        release = cls(**values)
        RuleFactory(mapping=release)
        return release

    @classmethod
    def pinned(cls, pin: str = "10.", **values: Any) -> Release:
        """A release that a pin points to."""
        release = cls(**values)
        PinFactory(mapping=release, version=pin)
        return release

    @classmethod
    def growing(cls, submissions: int, **values: Any) -> Release:
        """A nightly that has received some submissions, one locale each, in change sets of their own."""
        name = values.pop("name", f"Acme-nightly-{next(_NIGHTLIES)}")
        for number in range(submissions):
            with change_set(actor_name="build", reason="submit"):
                submit_locale(
                    name,
                    "Acme",
                    PLATFORM,
                    f"l{number}",
                    locale_document(),
                    schema_version=9,
                    hash_function="sha512",
                )
        return Release.objects.get(name=name)

    @classmethod
    def whitelist(cls, *imeis: str, **values: Any) -> Release:
        """A list of devices."""
        name = values.pop("name", f"Devices-{next(_NIGHTLIES)}")
        document = {"name": name, "schema_version": 3000, "whitelist": [{"imei": imei} for imei in imeis]}
        return cls(name=name, document=document, **values)


_NIGHTLIES = iter(range(1, 1_000_000))


class RuleFactory(VerbFactory):
    """A rule that offers a release of its own to everybody on the release channel."""

    class Meta:
        model = Rule

    priority = 100
    product = "Acme"
    channel = "release"
    mapping = factory.SubFactory(ReleaseFactory)

    @classmethod
    def act(cls, **values: Any) -> Rule:
        return create_rule(values)

    @classmethod
    def throttled(cls, rate: int = 25, **values: Any) -> Rule:
        """A rule that offers its release to some requests only, and an older one to the others."""
        return cls(background_rate=rate, fallback_mapping=ReleaseFactory(version="9.0"), **values)

    @classmethod
    def silent(cls, **values: Any) -> Rule:
        """A rule that matches and offers nothing."""
        return cls(mapping=None, **values)


class ShutoffFactory(VerbFactory):
    """Updates of Acme on the release channel are stopped."""

    class Meta:
        model = EmergencyShutoff

    product = "Acme"
    channel = "release"
    comment = "crashes at start"

    @classmethod
    def act(cls, **values: Any) -> EmergencyShutoff:
        return shut_off(**values)


class PinFactory(VerbFactory):
    """Who is pinned to 10. gets a release of its own."""

    class Meta:
        model = PinnableRelease

    product = "Acme"
    channel = "release"
    version = "10."
    mapping = factory.SubFactory(ReleaseFactory)

    @classmethod
    def act(cls, **values: Any) -> PinnableRelease:
        return set_pin(values.pop("mapping").name, **values)


class AllowedDomainFactory(VerbFactory):
    """Acme may be sent to the whole of cdn.example."""

    class Meta:
        model = AllowedDomain

    host = CDN
    products = ["Acme"]

    @classmethod
    def act(cls, **values: Any) -> AllowedDomain:
        return store(AllowedDomain(**values))


class SpecialForceHostFactory(VerbFactory):
    """Payload URLs of cdn.example carry `force` on."""

    class Meta:
        model = SpecialForceHost

    prefix = f"https://{CDN}"

    @classmethod
    def act(cls, **values: Any) -> SpecialForceHost:
        return store(SpecialForceHost(**values))
