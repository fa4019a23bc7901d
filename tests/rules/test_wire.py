"""Rules under their wire names."""

import pytest
from django.core.exceptions import ValidationError

from rules.actions import create_rule
from rules.models import Rule
from rules.wire import WIRE_NAME_OF, WIRE_NAMES, rule_to_wire, values_from_wire
from tests.factories import ReleaseFactory, RuleFactory

pytestmark = pytest.mark.django_db


def test_wire_names__every_field__has_exactly_one():
    assert set(WIRE_NAME_OF) == {field.name for field in Rule._meta.concrete_fields}
    assert {WIRE_NAMES[wire] for wire in WIRE_NAME_OF.values()} == {
        field.attname for field in Rule._meta.concrete_fields
    }


def test_wire__there_and_back__makes_the_same_rule(in_change_set):
    rule = RuleFactory.throttled(
        alias="a", jaws=False, mig64=True, build_id=">20250101000000", whitelist=ReleaseFactory.whitelist("x")
    )
    row = rule_to_wire(rule)
    assert row["fallbackMapping"] == rule.fallback_mapping.name
    assert (row["jaws"], row["mig64"], row["buildID"]) == (False, True, ">20250101000000")
    values = values_from_wire(row | {"alias": "b"})
    del values["rule_id"], values["data_version"]
    again = create_rule(values)
    assert rule_to_wire(again) == row | {"rule_id": again.pk, "alias": "b"}


def test_values_from_wire__blank_and_numbers_as_text__are_accepted(in_change_set):
    values = values_from_wire({"mapping": "", "locale": " ", "priority": "50", "backgroundRate": "10"})
    assert (values["mapping"], values["locale"]) == (None, None)
    rule = create_rule(values)
    rule.refresh_from_db()
    assert (rule.priority, rule.background_rate) == (50, 10)


@pytest.mark.parametrize(
    ("row", "wire", "said"),
    [
        ({"chanel": "x"}, "chanel", "'x': rules have no such field"),
        ({"buildID": 20250101}, "buildID", "20250101: must be a text"),
        ({"mapping": ["a"]}, "mapping", r"\['a'\]: must be a text"),
        ({"jaws": "yes"}, "jaws", "'yes': must be true, false or null"),
        ({"priority": 1.5}, "priority", "1.5: must be a whole number"),
        ({"backgroundRate": True}, "backgroundRate", "True: must be a whole number"),
    ],
)
def test_values_from_wire__wrong_type__names_wire_name_and_value(row, wire, said):
    with pytest.raises(ValidationError, match=said) as refused:
        values_from_wire(row)
    assert list(refused.value.message_dict) == [wire]
