"""How the schema describes releases."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from releng.api.shapes import MapOf, Shape

NAMES_ONLY = OpenApiParameter("names_only", str, description="Answer with the names alone.")


class RuleInfo(Shape):
    """Where a rule offers a release."""

    product = serializers.CharField(allow_null=True)
    channel = serializers.CharField(allow_null=True)


class RulesOf(MapOf):
    """Rules by their number."""

    child = RuleInfo


class ReleaseRow(Shape):
    """A release without its document."""

    name = serializers.CharField()
    product = serializers.CharField()
    data_version = serializers.IntegerField(help_text="Of the whole release.")
    read_only = serializers.BooleanField()
    rule_ids = serializers.ListField(child=serializers.IntegerField())
    rule_info = RulesOf()
    required_signoffs = serializers.DictField(child=serializers.IntegerField())

    class Meta:
        ref_name = "ReleaseOfContract"


class Releases(Shape):
    """Releases, or with `names_only` just their names."""

    count = serializers.IntegerField(required=False)
    releases = ReleaseRow(many=True, required=False)
    names = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        ref_name = "ReleasesOfContract"


class Document(Shape):
    """A document; docs/protocol.md section 5 has their types."""

    class Meta:
        ref_name = "ReleaseDocument"


class Written(Shape):
    """Base of what is sent."""

    reason = serializers.CharField(required=False, help_text="Why, for the history.")
    data_version = serializers.IntegerField(
        required=False,
        help_text="The version of the whole that this is based on; If-Match may name it instead.",
    )


class NewRelease(Shape):
    """A release to make."""

    name = serializers.CharField(max_length=100)
    product = serializers.CharField(max_length=15)
    blob = serializers.CharField(help_text="The document, as JSON text.")
    reason = serializers.CharField(required=False, help_text="Why, for the history.")

    class Meta:
        ref_name = "NewReleaseOfContract"


class ReplacedRelease(Written):
    """A whole document."""

    name = serializers.CharField(required=False)
    product = serializers.CharField(required=False, help_text="Needed for a new release.")
    blob = serializers.CharField(help_text="The document, as JSON text.")


class Submitted(Written):
    """Base of what builds send."""

    product = serializers.CharField(help_text="Must be the release's own.")
    schema_version = serializers.IntegerField(required=False, help_text="Needed for a new release.")
    hashFunction = serializers.CharField(  # noqa: N815  # the contract's name
        required=False, help_text="Must be the release's own."
    )
    copyTo = serializers.CharField(  # noqa: N815
        required=False, help_text="More releases to do the same to: JSON text of a list."
    )


class ChangedRelease(Submitted):
    """Keys of the top level of a document."""

    name = serializers.CharField(required=False)
    data = serializers.CharField(help_text="The keys and their values, as JSON text.")


class SubmittedLocale(Submitted):
    """One locale."""

    data = serializers.CharField(help_text="The locale's object, as JSON text.")
    alias = serializers.CharField(
        required=False, help_text="Platforms that stand for this one: JSON text of a list."
    )


class LocaleOfBatch(Shape):
    """One locale of many."""

    platform = serializers.CharField(max_length=100)
    locale = serializers.CharField(max_length=50)
    data = serializers.DictField(help_text="The locale's object; its JSON text is taken, too.")
    alias = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Platforms that stand for this one."
    )


class LocalesOfBatch(Written):
    """Many locales."""

    product = serializers.CharField(help_text="Must be the release's own.")
    schema_version = serializers.IntegerField(required=False, help_text="Needed for a new release.")
    hashFunction = serializers.CharField(  # noqa: N815
        required=False, help_text="Must be the release's own; needed for a new one."
    )
    builds = LocaleOfBatch(many=True)


class StoredLocale(Shape):
    """What became of one locale: `created` if the platform that was named had no such one before."""

    platform = serializers.CharField()
    locale = serializers.CharField()
    created = serializers.BooleanField()


class SubmittedBatch(Shape):
    """The version that the write has made, and what became of each locale."""

    new_data_version = serializers.IntegerField(min_value=1)
    builds = StoredLocale(many=True)


class ReadOnly(Shape):
    """Whether a release is locked."""

    read_only = serializers.BooleanField()


class NewReadOnly(Written):
    """Whether it shall be."""

    read_only = serializers.BooleanField()


class RequiredSignoffs(Shape):
    """How many signoffs of each role."""

    required_signoffs = serializers.DictField(child=serializers.IntegerField())


class ReleaseRevisionRow(Shape):
    """A version of a whole release."""

    data_version = serializers.IntegerField()
    changed_by = serializers.CharField()
    timestamp = serializers.IntegerField(help_text="Milliseconds since 1970.")
    reason = serializers.CharField()


class Revisions(Shape):
    """Versions of a whole release, newest first."""

    count = serializers.IntegerField()
    revisions = ReleaseRevisionRow(many=True)

    class Meta:
        ref_name = "ReleaseRevisions"


# --- v2 -----------------------------------------------------------------------------------------------------


class ScheduledPart(Shape):
    """What is scheduled for a release, or for one locale of it."""

    name = serializers.CharField()
    product = serializers.CharField(allow_null=True)
    read_only = serializers.BooleanField(allow_null=True, help_text="What it shall be; null: as it is.")
    data_version = serializers.IntegerField(allow_null=True, help_text="Of the part that is to be changed.")
    path = serializers.CharField(help_text="`.`, or `.platforms.P.locales.L`.")
    sc_id = serializers.IntegerField()
    sc_data_version = serializers.IntegerField()
    scheduled_by = serializers.CharField()
    change_type = serializers.ChoiceField(choices=["insert", "update", "delete"])
    complete = serializers.BooleanField()
    when = serializers.IntegerField(allow_null=True, help_text="Milliseconds since 1970.")
    signoffs = serializers.DictField(child=serializers.CharField())


class ReleaseRowV2(Shape):
    """A release without its document."""

    name = serializers.CharField()
    product = serializers.CharField(allow_null=True)
    data_version = serializers.IntegerField(allow_null=True, help_text="Of its own row; null: not made yet.")
    read_only = serializers.BooleanField()
    rule_info = RulesOf()
    required_signoffs = serializers.DictField(child=serializers.IntegerField())
    product_required_signoffs = serializers.DictField(child=serializers.IntegerField())
    scheduled_changes = ScheduledPart(many=True)


class ReleaseListV2(Shape):
    """Releases, and how many there are."""

    count = serializers.IntegerField()
    releases = ReleaseRowV2(many=True)


class ReleasesV2(Shape):
    """Releases, or with `names_only` just the list of their names."""


class ReleasesV2Extension(OpenApiSerializerExtension):
    """How the schema tells it."""

    target_class = ReleasesV2

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema of either."""
        component = auto_schema.resolve_serializer(ReleaseListV2, direction)
        return {"oneOf": [component.ref, {"type": "array", "items": {"type": "string"}}]}


class VersionTree(Shape):
    """Versions by part: `{".": 3, "platforms": {"P": {"locales": {"L": 2}}}}`; a scheduled change stands for one."""


class ReleaseV2(Shape):
    """A document and its versions, as they are and as they are scheduled to be."""

    blob = serializers.DictField()
    data_versions = serializers.DictField()
    sc_blob = serializers.DictField()
    sc_data_versions = serializers.DictField()


class WrittenV2(Shape):
    """Base of what is sent."""

    when = serializers.IntegerField(
        required=False, allow_null=True, help_text="Milliseconds since 1970: schedule it for then."
    )
    reason = serializers.CharField(required=False, help_text="Why, for the history.")


class ReplacedV2(WrittenV2):
    """A whole document."""

    blob = serializers.DictField()
    product = serializers.CharField(required=False, help_text="Needed for a new release.")
    old_data_versions = serializers.DictField(
        required=False, help_text="The version of each part that changes, as a tree."
    )


class ChangedV2(WrittenV2):
    """Parts of a document."""

    blob = serializers.DictField()
    old_data_versions = serializers.DictField(
        required=False,
        help_text="The version of each part that changes, as a tree; If-Match may name the whole instead.",
    )


class DataVersionsShape(Shape):
    """The versions of all parts."""

    data_versions = serializers.DictField()


class PartVersionShape(Shape):
    """The version of one part."""

    data_version = serializers.IntegerField()


class ReadOnlyV2(Shape):
    """Whether a release shall be locked."""

    read_only = serializers.BooleanField()
    old_data_version = serializers.IntegerField(
        required=False, help_text="Of the release's own row; If-Match may name the whole instead."
    )
    reason = serializers.CharField(required=False)


class SignoffV2(Shape):
    """In which role somebody agrees."""

    role = serializers.CharField()


class NewPin(WrittenV2):
    """Who is to get the release."""

    product = serializers.CharField()
    channel = serializers.CharField()
    version = serializers.CharField(help_text="As clients say it, with the dot at its end.")


class PinAnswer(Shape):
    """The version of the pin below `.`, or what is scheduled; or why it stays as it is."""

    pin_not_set = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False)


NEW_RELEASE = OpenApiExample(
    "A release",
    {
        "name": "Firefox-145.0-build1",
        "product": "Firefox",
        "blob": '{"name": "Firefox-145.0-build1", "schema_version": 9, "hashFunction": "sha512"}',
    },
    request_only=True,
)
CHANGED_RELEASE = OpenApiExample(
    "The version that is shown",
    {
        "product": "Firefox",
        "hashFunction": "sha512",
        "data": '{"displayVersion": "145.0"}',
        "data_version": 3,
    },
    request_only=True,
)
SUBMITTED_LOCALE = OpenApiExample(
    "A build of one locale",
    {
        "product": "Firefox",
        "schema_version": 9,
        "hashFunction": "sha512",
        "data": '{"buildID": "20251106194447", "completes": [{"from": "*", "filesize": 5000, "hashValue": "ab12"}]}',
        "alias": '["WINNT_x86_64-msvc-x64"]',
    },
    request_only=True,
)
BATCH = OpenApiExample(
    "Two locales at once",
    {
        "product": "Firefox",
        "schema_version": 9,
        "hashFunction": "sha512",
        "builds": [
            {
                "platform": "WINNT_x86_64-msvc",
                "locale": locale,
                "data": {
                    "buildID": "20251106194447",
                    "completes": [{"from": "*", "filesize": 5000, "hashValue": "ab12"}],
                },
            }
            for locale in ("de", "fr")
        ],
    },
    request_only=True,
)
REPLACED_V2 = OpenApiExample(
    "A new release",
    {
        "product": "Firefox",
        "blob": {
            "name": "Firefox-145.0-build1",
            "schema_version": 9,
            "hashFunction": "sha512",
            "appVersion": "145.0",
            "displayVersion": "145.0",
        },
    },
    request_only=True,
)
CHANGED_V2 = OpenApiExample(
    "Another build of one locale",
    {
        "blob": {"platforms": {"WINNT_x86_64-msvc": {"locales": {"de": {"buildID": "20251106194448"}}}}},
        "old_data_versions": {"platforms": {"WINNT_x86_64-msvc": {"locales": {"de": 1}}}},
    },
    request_only=True,
)
