"""Demo data that a release engineer recognises: four Firefox channels, GMP, system add-ons and a VPN.

All build ids, sizes and hashes are invented, and derived from names, so that the data are the same each time.
"""

from __future__ import annotations

import hashlib
from typing import Any

LOCALES = ("de", "en-US", "fr", "ja", "pt-BR", "zh-CN")
PLATFORMS = {
    "Linux_x86_64-gcc3": ("linux64", "linux-x86_64"),
    "WINNT_x86_64-msvc": ("win64", "win64"),
    "WINNT_x86-msvc": ("win", "win32"),
    "Darwin_x86_64-gcc3-u-i386-x86_64": ("osx", "mac"),
}
ALIASES = {
    "WINNT_x86_64-msvc-x64": "WINNT_x86_64-msvc",
    "WINNT_x86-msvc-x86": "WINNT_x86-msvc",
    "Darwin_aarch64-gcc3": "Darwin_x86_64-gcc3-u-i386-x86_64",
}
CDN = "https://download.mozilla.org"


def _hash(*words: str) -> str:
    return hashlib.sha512("/".join(words).encode()).hexdigest()


def _size(*words: str) -> int:
    return 60_000_000 + int(_hash(*words)[:6], 16)


def _patch(release: str, platform: str, locale: str, source: str) -> dict[str, Any]:
    shrink = 1 if source == "*" else 8
    return {
        "from": source,
        "filesize": _size(release, platform, locale, source) // shrink,
        "hashValue": _hash(release, platform, locale, source),
    }


def _platforms(name: str, build_id: str, partials: tuple[str, ...]) -> dict[str, Any]:
    platforms: dict[str, Any] = {alias: {"alias": target} for alias, target in ALIASES.items()}
    for platform, (bouncer, ftp) in PLATFORMS.items():
        locales = {}
        for locale in LOCALES:
            entry: dict[str, Any] = {"buildID": build_id, "completes": [_patch(name, platform, locale, "*")]}
            if partials:
                entry["partials"] = [_patch(name, platform, locale, source) for source in partials]
            locales[locale] = entry
        platforms[platform] = {"OS_BOUNCER": bouncer, "OS_FTP": ftp, "locales": locales}
    return platforms


def firefox(
    name: str,
    version: str,
    build_id: str,
    *,
    shown: str | None = None,
    partials: tuple[str, ...] = (),
    whats_new: bool = False,
) -> dict[str, Any]:
    """Return a Firefox release (schema version 9) with all demo platforms and locales."""
    shown = shown or version
    product = f"firefox-{shown}"
    lines: list[dict[str, Any]] = [
        {
            "for": {},
            "fields": {
                "detailsURL": f"https://www.mozilla.org/%LOCALE%/firefox/{shown}/releasenotes/",
                "type": "minor",
            },
        }
    ]
    if whats_new:
        lines.append(
            {
                "for": {
                    "channels": ["release*"],
                    "locales": ["de", "en-US", "fr"],
                    "versions": [f"<{version}"],
                },
                "fields": {
                    "actions": "showURL",
                    "openURL": f"https://www.mozilla.org/%LOCALE%/firefox/{shown}/whatsnew/?oldversion=%OLD_VERSION%",
                },
            }
        )
    urls: dict[str, Any] = {
        "completes": {"*": f"{CDN}/?product={product}-complete&os=%OS_BOUNCER%&lang=%LOCALE%"},
    }
    if partials:
        urls["partials"] = {
            source: f"{CDN}/?product={product}-partial-{source.split('-')[1]}&os=%OS_BOUNCER%&lang=%LOCALE%"
            for source in partials
        }
    return {
        "name": name,
        "product": "Firefox",
        "blob": {
            "name": name,
            "schema_version": 9,
            "hashFunction": "sha512",
            "appVersion": version,
            "displayVersion": shown,
            "fileUrls": {"*": urls},
            "updateLine": lines,
            "platforms": _platforms(name, build_id, partials),
        },
    }


def _nightly(name: str, version: str, build_id: str) -> dict[str, Any]:
    platforms = _platforms(name, build_id, ())
    for entry in platforms.values():
        for locale, data in entry.get("locales", {}).items():
            data.update(appVersion=version, displayVersion=version)
            for patch in data["completes"]:
                patch["fileUrl"] = (
                    f"https://archive.mozilla.org/pub/firefox/nightly/latest-mozilla-central-l10n/"
                    f"firefox-{version}.{locale}.{entry['OS_FTP']}.complete.mar"
                )
    # As nightlies are: one repack is a day late, and one has failed.
    platforms["Linux_x86_64-gcc3"]["locales"]["fr"]["buildID"] = "20251119093000"
    del platforms["Darwin_x86_64-gcc3-u-i386-x86_64"]["locales"]["pt-BR"]
    return {
        "name": name,
        "product": "Firefox",
        "blob": {
            "name": name,
            "schema_version": 9,
            "hashFunction": "sha512",
            "updateLine": [{"for": {}, "fields": {"type": "minor"}}],
            "platforms": platforms,
        },
    }


def _plugin(name: str, product: str, vendor: str, version: str, url: str) -> dict[str, Any]:
    platforms: dict[str, Any] = {alias: {"alias": target} for alias, target in ALIASES.items()}
    for platform, (_, short) in PLATFORMS.items():
        file_url = f"{url}-{short}-{version}.zip"
        platforms[platform] = {
            "fileUrl": file_url,
            "filesize": _size(file_url) // 10,
            "hashValue": _hash(file_url),
        }
    return {
        "name": name,
        "product": product,
        "blob": {
            "name": name,
            "schema_version": 1000,
            "hashFunction": "sha512",
            "vendors": {vendor: {"version": version, "platforms": platforms}},
        },
    }


def _blob(name: str, of: str, schema_version: int, **body: Any) -> dict[str, Any]:
    return {
        "name": name,
        "product": of,
        "blob": {"name": name, "schema_version": schema_version, **body},
    }


def releases() -> list[dict[str, Any]]:
    """Return the demo releases in the form of docs/data-format.md."""
    vpn = {
        platform: {
            "fileUrl": f"https://archive.mozilla.org/pub/vpn/releases/2.31.0/{short}/MozillaVPN.{kind}",
            "hashValue": _hash("vpn", short),
        }
        for platform, short, kind in (("WINNT_x86_64", "windows", "msi"), ("Darwin_x86", "mac", "pkg"))
    }
    addons = {
        "webcompat-fixes@mozilla.org": {
            "version": "145.2.0",
            "platforms": {
                "default": {
                    "fileUrl": "https://archive.mozilla.org/pub/system-addons/webcompat/webcompat-145.2.0.xpi",
                    "filesize": 184_220,
                    "hashValue": _hash("webcompat"),
                }
            },
        }
    }
    return [
        firefox("Firefox-72.0.2-build1", "72.0.2", "20200117190643"),
        firefox("Firefox-115.30.0esr-build1", "115.30.0", "20251104120000", shown="115.30.0esr"),
        firefox("Firefox-128.0-build2", "128.0", "20240704121409") | {"read_only": True},
        firefox("Firefox-140.5.0esr-build1", "140.5.0", "20251104130000", shown="140.5.0esr"),
        firefox("Firefox-140.6.0esr-build2", "140.6.0", "20251117120000", shown="140.6.0esr"),
        firefox("Firefox-144.0-build2", "144.0", "20251006120000"),
        firefox("Firefox-145.0-build2", "145.0", "20251103120000", partials=("Firefox-144.0-build2",)),
        firefox(
            "Firefox-145.0.1-build1",
            "145.0.1",
            "20251116120000",
            partials=("Firefox-145.0-build2", "Firefox-144.0-build2"),
            whats_new=True,
        ),
        firefox("Firefox-146.0b4-build1", "146.0", "20251115120000", shown="146.0b4"),
        firefox(
            "Firefox-146.0b5-build1",
            "146.0",
            "20251119120000",
            shown="146.0b5",
            partials=("Firefox-146.0b4-build1",),
        ),
        _nightly("Firefox-mozilla-central-nightly-latest", "147.0a1", "20251120093000"),
        _blob(
            "Firefox-desupport-Windows-7",
            "Firefox",
            50,
            detailsUrl="https://support.mozilla.org/%LOCALE%/kb/firefox-users-windows-7-8-and-81-moving-extended-support",
            displayVersion="115.0",
        ),
        _plugin(
            "OpenH264-2.6.0",
            "OpenH264",
            "gmp-gmpopenh264",
            "2.6.0",
            "http://ciscobinary.openh264.org/openh264",
        ),
        _plugin(
            "Widevine-4.10.2934.0",
            "Widevine",
            "gmp-widevinecdm",
            "4.10.2934.0",
            "https://redirector.gvt1.com/edgedl/widevine-cdm/widevine",
        ),
        _blob("GMP-Superblob", "GMP", 4000, products=["OpenH264", "Widevine"]),
        _blob("SystemAddons-webcompat", "SystemAddons", 5000, hashFunction="sha512", addons=addons),
        _blob("SystemAddons-Superblob", "SystemAddons", 4000, blobs=["SystemAddons-webcompat"]),
        _blob("SystemAddons-uninstall-all", "SystemAddons", 5000, hashFunction="sha512", uninstall=True),
        _blob(
            "FirefoxVPN-2.31.0",
            "FirefoxVPN",
            10000,
            product="FirefoxVPN",
            version="2.31.0",
            required=False,
            hashFunction="sha256",
            platforms={key: {**value, "hashValue": value["hashValue"][:64]} for key, value in vpn.items()},
        ),
        _blob(
            "Settings-dictionaries",
            "Settings",
            6000,
            settings={
                "hyphenation-de": {"lastModified": 1_763_500_000_000, "locales": ["de"]},
                "hyphenation-fr": {"lastModified": 1_763_500_000_500, "locales": ["fr"]},
                "security": {"lastModified": 1_763_600_000_000},
            },
        ),
    ]


_RULES: tuple[dict[str, Any], ...] = (
    {
        "alias": "firefox-release",
        "priority": 100,
        "product": "Firefox",
        "channel": "release*",
        "mapping": "Firefox-145.0.1-build1",
        "fallbackMapping": "Firefox-145.0-build2",
        "backgroundRate": 25,
        "comment": "145.0.1 throttled at 25 %, everybody else gets 145.0",
    },
    {
        "alias": "firefox-release-watershed-128",
        "priority": 300,
        "product": "Firefox",
        "channel": "release*",
        "version": "<128.0",
        "mapping": "Firefox-128.0-build2",
        "comment": "Watershed: profiles older than 128 must be migrated by it first",
    },
    {
        "alias": "firefox-release-watershed-72",
        "priority": 310,
        "product": "Firefox",
        "channel": "release*",
        "version": "<72.0",
        "mapping": "Firefox-72.0.2-build1",
        "comment": "Watershed: certificate store",
    },
    {
        "alias": "firefox-release-cdntest",
        "priority": 900,
        "product": "Firefox",
        "channel": "release-cdntest",
        "mapping": "Firefox-145.0.1-build1",
        "comment": "QA's channel: everything at once",
    },
    {
        "alias": "firefox-win7-desupport",
        "priority": 500,
        "product": "Firefox",
        "channel": "release*",
        "osVersion": "Windows_NT 6.1,Windows_NT 6.2,Windows_NT 6.3",
        "mapping": "Firefox-desupport-Windows-7",
        "comment": "Windows 7, 8 and 8.1: tell people, offer nothing",
    },
    {
        "alias": "firefox-release-no-sse",
        "priority": 520,
        "product": "Firefox",
        "channel": "release*",
        "instructionSet": "SSE,MMX",
        "mapping": None,
        "comment": "Processors that the new builds do not run on: nothing",
    },
    {
        "alias": "firefox-beta",
        "priority": 100,
        "product": "Firefox",
        "channel": "beta*",
        "mapping": "Firefox-146.0b5-build1",
        "comment": "Beta goes to everybody",
    },
    {
        "alias": "firefox-esr",
        "priority": 100,
        "product": "Firefox",
        "channel": "esr*",
        "mapping": "Firefox-140.6.0esr-build2",
        "fallbackMapping": "Firefox-140.5.0esr-build1",
        "backgroundRate": 50,
        "comment": "New ESR at half rate",
    },
    {
        "alias": "firefox-esr115-old-systems",
        "priority": 400,
        "product": "Firefox",
        "channel": "esr*",
        "osVersion": "Windows_NT 6.1,Windows_NT 6.2,Windows_NT 6.3,Darwin 16,Darwin 17,Darwin 18",
        "mapping": "Firefox-115.30.0esr-build1",
        "comment": "Old systems stay on 115",
    },
    {
        "alias": "firefox-nightly",
        "priority": 100,
        "product": "Firefox",
        "channel": "nightly",
        "mapping": "Firefox-mozilla-central-nightly-latest",
        "comment": "Nightly, at once",
    },
    {
        "alias": "firefox-oak",
        "priority": 100,
        "product": "Firefox",
        "channel": "nightly-oak",
        "mapping": "Firefox-mozilla-central-nightly-latest",
        "comment": "Project branch for testing updates",
    },
    {"alias": "gmp", "priority": 100, "product": "GMP", "mapping": "GMP-Superblob"},
    {
        "alias": "openh264",
        "priority": 100,
        "product": "OpenH264",
        "version": ">=72.0",
        "mapping": "OpenH264-2.6.0",
    },
    {"alias": "widevine", "priority": 100, "product": "Widevine", "mapping": "Widevine-4.10.2934.0"},
    {
        "alias": "system-addons",
        "priority": 100,
        "product": "SystemAddons",
        "mapping": "SystemAddons-Superblob",
    },
    {
        "alias": "system-addons-144",
        "priority": 200,
        "product": "SystemAddons",
        "version": "144.0,144.0.1,144.0.2",
        "mapping": "SystemAddons-uninstall-all",
        "comment": "144 must drop all of them",
    },
    {
        "alias": "vpn",
        "priority": 100,
        "product": "FirefoxVPN",
        "channel": "release",
        "mapping": "FirefoxVPN-2.31.0",
    },
    {"alias": "settings", "priority": 100, "product": "Settings", "mapping": "Settings-dictionaries"},
)


def demo_data() -> dict[str, Any]:
    """Return the whole demo as one document in the form of docs/data-format.md."""
    rules = [
        {"rule_id": number, "update_type": "minor", "backgroundRate": 100, "data_version": 1, **rule}
        for number, rule in enumerate(_RULES, start=1)
    ]
    pins = {
        "144.": "Firefox-144.0-build2",
        "145.": "Firefox-145.0.1-build1",
        "145.0.": "Firefox-145.0.1-build1",
    }
    return {
        "releases": [{"read_only": False, "data_version": 1, **release} for release in releases()],
        "rules": rules,
        "emergency_shutoffs": [
            {
                "product": "Firefox",
                "channel": "nightly-oak",
                "comment": "oak broke the updater on Windows; waiting for the back-out",
                "data_version": 1,
            }
        ],
        "pinnable_releases": [
            {
                "product": "Firefox",
                "channel": "release",
                "version": version,
                "mapping": name,
                "data_version": 1,
            }
            for version, name in pins.items()
        ],
        "allowlisted_domains": {
            "download.mozilla.org": ["Firefox"],
            "archive.mozilla.org": ["Firefox", "FirefoxVPN", "SystemAddons"],
            "ciscobinary.openh264.org": ["OpenH264"],
            "redirector.gvt1.com": ["Widevine"],
            "www.google.com": {r"/dl/release2/chrome_component/[\w.]+/[\w.]+\.crx3": ["Widevine"]},
        },
        "special_force_hosts": [CDN],
    }
