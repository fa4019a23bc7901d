"""For the pages of the API's description."""

from __future__ import annotations

from django import template

from releng.api.docs import with_code

register = template.Library()
register.filter("with_code", with_code)
