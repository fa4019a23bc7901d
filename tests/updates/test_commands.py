"""`answer`, with and without --explain, and `load_demo`."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from history.changesets import change_set
from releng.updates.management.commands.load_demo import DEMO_URL
from rules.models import Rule

pytestmark = pytest.mark.django_db

OLD = DEMO_URL.split("?")[0].replace("/144.0/20251006120000/", "/71.0/20191202093317/")


def run(*arguments):
    out = io.StringIO()
    call_command("answer", *arguments, stdout=out)
    return out.getvalue()


def test_answer__update_url__prints_status_rule_and_document(demo):
    printed = run(DEMO_URL)
    assert printed.startswith("Status: 200\nRule-ID: 1\nRule-Data-Version: 1\n")
    assert 'displayVersion="145.0.1"' in printed
    assert run(f"https://updates.example{DEMO_URL}") == printed


def test_answer__dice__decides_the_throttle(demo):
    throttled = DEMO_URL.split("?")[0]
    assert 'displayVersion="145.0.1"' in run(throttled, "--dice", "24")
    assert 'displayVersion="145.0"' in run(throttled, "--dice", "25")


def test_explain__old_client__tells_each_rule_in_order_and_the_watershed(demo):
    printed = run(OLD, "--explain")
    lines = [line for line in printed.splitlines() if "priority" in line]
    assert "firefox-release-cdntest" in lines[0]
    assert "channel: the rule wants 'release-cdntest', the client has 'release'" in lines[0]
    assert "firefox-release-watershed-72" in printed
    assert (
        lines[-2].endswith("matches")
        or lines[-1].endswith("matches")
        or "matches, with priority 310" in printed
    )
    assert "Firefox-72.0.2-build1 is offered" in printed


def test_explain__mapping_to_another_product__is_warned_about(demo):
    with change_set(actor_name="tester", reason="aurora serves another product's release"):
        Rule(product="Aurora", priority=1, background_rate=100, mapping_id="Firefox-145.0-build2").save()
    printed = run(DEMO_URL.replace("/Firefox/", "/Aurora/"), "--explain")
    assert (
        "Warning: mapping Firefox-145.0-build2 is a release of Firefox, but the rule is for Aurora."
        in printed
    )


def test_answer__shutoff__says_so(demo):
    printed = run(DEMO_URL.replace("/release/", "/nightly-oak/"), "--explain")
    assert "stopped" in printed
    assert "Rule-ID: unknown" in printed


@pytest.mark.parametrize("target", ["/nope", "https://updates.example/api/v1/rules", ""])
def test_answer__no_update_url__is_refused_with_a_way_out(demo, target):
    with pytest.raises(CommandError, match="is not an update URL"):
        run(target)


def test_answer__undeclared_argument__is_named(demo):
    with pytest.raises(CommandError, match="foo"):
        run(f"{OLD}?foo=1")


def test_answer__unreadable_version__is_shown_as_400(demo):
    assert "Status: 400" in run(OLD.replace("/71.0/", "/banana/"))


def test_load_demo__twice__loads_once_and_tells_where_to_look(settings, django_user_model):
    settings.DEBUG = True
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    count = Rule.objects.count()
    call_command("load_demo", stdout=out)
    assert Rule.objects.count() == count > 10
    assert django_user_model.objects.filter(is_superuser=True).count() == 0
    assert "http://127.0.0.1:8000/update/6/Firefox/" in out.getvalue()


def test_load_demo__without_debug__is_refused(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("load_demo")
    assert not Rule.objects.exists()
