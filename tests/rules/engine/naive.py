"""Rule matching written straight from protocol.md section 4, rule by rule: what the index is measured against."""

from __future__ import annotations

import re

LOOSE = ("FirefoxVPN", "Guardian")
ORDERS = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


class Unreadable(Exception):
    """A version that is no version."""


def moz(text):
    """(first three numbers, prerelease or None), or the glob's text."""
    dots = text.count(".")
    if dots in (1, 2):
        first = text.split(".")[0]
        if not re.fullmatch(r"[0-9]+", first):
            raise Unreadable(text)
        if int(first) > 4 and re.fullmatch(r"[0-9]+\.([0-9]+\.)?\*", text):
            return text
        letters = "(a)([0-9]+)" if int(first) > 4 else "([A-Za-z])[A-Za-z]*([0-9]+)"
        found = re.fullmatch(rf"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?(?:{letters})?", text)
    else:
        found = re.fullmatch(r"([0-9]+)\.([0-9]+)\.[0-9]\.([0-9]+)(?:([A-Za-z])[A-Za-z]*([0-9]+))?", text)
    if not found:
        raise Unreadable(text)
    a, b, c, letter, number = found.groups()
    return (int(a), int(b), int(c or 0)), ((letter, int(number)) if letter else None)


def sortable(version):
    numbers, prerelease = version
    return numbers, (prerelease is None, prerelease or ("", 0))


def glob_equals(glob, other):
    """One side is a glob: its numbers must be the first of the other."""
    wanted = tuple(int(number) for number in glob.split(".")[:-1])
    if isinstance(other, str):
        return glob == other
    return other[0][: len(wanted)] == wanted


def loose(text):
    return [int(part) if part.isdigit() else part for part in re.findall(r"[0-9]+|[a-z]+|[^0-9a-z.]+", text)]


def operator_and_operand(item):
    if item.endswith("*") or re.match(r"\w", item):
        return "=", item
    found = re.match(r"(>=|<=|>|<)([\w.]*)", item)
    return (found[1], found[2]) if found else (None, None)


def version_item(item, text, product):
    operator, operand = operator_and_operand(item)
    if operator is None:
        return False
    if product in LOOSE:
        try:
            mine, theirs = loose(text), loose(operand)
            return mine == theirs if operator == "=" else ORDERS[operator](mine, theirs)
        except TypeError:
            return False
    mine = moz(text)
    try:
        theirs = moz(operand)
    except Unreadable:
        return False
    if isinstance(mine, str) or isinstance(theirs, str):
        if operator != "=":
            return False
        return glob_equals(mine, theirs) if isinstance(mine, str) else glob_equals(theirs, mine)
    if operator == "=":
        return mine == theirs
    return ORDERS[operator](sortable(mine), sortable(theirs))


def version(field, text, product):
    if product not in LOOSE:
        moz(text)
    return any(version_item(item, text, product) for item in field.split(","))


def build_id(field, text):
    operator, operand = operator_and_operand(field)
    if operator is None:
        return False
    return text == operand if operator == "=" else ORDERS[operator](text, operand)


def memory(field, number):
    if number is None:
        return True
    operator, operand = operator_and_operand(field)
    if operator is None or not re.fullmatch("[0-9]{1,18}", operand):
        return False
    return number == int(operand) if operator == "=" else ORDERS[operator](number, int(operand))


def channel(pattern, channels):
    if pattern.endswith("*"):
        return len(pattern) >= 3 and any(text.startswith(pattern[:-1]) for text in channels)
    return pattern in channels


def os_version(field, text):
    return any(all(term.strip() in text for term in group.split("&&")) for group in field.split(","))


def matches(rule, query, whitelists=()):
    """Tell whether one rule matches; raise Unreadable when it has to look at a version that is none."""
    channels = (query.channel, query.channel.split("-cck-")[0])
    for name in ("product", "build_target", "header_architecture", "dist_version"):
        wanted = getattr(rule, name)
        if wanted is not None and wanted != getattr(query, name):
            return False
    if rule.channel is not None and not channel(rule.channel, channels):
        return False
    if rule.version is not None and not version(rule.version, query.version, query.product):
        return False
    if rule.build_id is not None and not build_id(rule.build_id, query.build_id or ""):
        return False
    if rule.memory is not None and not memory(rule.memory, query.memory):
        return False
    if rule.os_version is not None and not os_version(rule.os_version, query.os_version or ""):
        return False
    if rule.instruction_set is not None and (
        query.instruction_set is None or query.instruction_set not in rule.instruction_set.split(",")
    ):
        return False
    for name in ("distribution", "locale"):
        wanted = getattr(rule, name)
        if wanted is not None and (getattr(query, name) or "") not in wanted.split(","):
            return False
    for name in ("mig64", "jaws"):
        wanted = getattr(rule, name)
        if wanted is not None and wanted is not getattr(query, name):
            return False
    return rule.whitelist is None or (
        query.imei is not None and query.imei in dict(whitelists)[rule.whitelist]
    )


def winner(rules, query, whitelists=()):
    """The matching rule with the highest priority, and of those the lowest id; None if none matches."""
    found = [rule for rule in rules if matches(rule, query, whitelists)]
    return min(found, key=lambda rule: (-rule.priority, rule.rule_id), default=None)
