"""Rules and queries from small vocabularies, so that many of them meet; and junk."""

from hypothesis import strategies as st

from releases.blobs.query import Force, UpdateQuery
from rules.engine.rule import Rule

PRODUCTS = ["Acme", "Guardian", "Other"]
VERSIONS = [
    "9.0",
    "9.0.1",
    "10.0",
    "10.0a1",
    "10.0a2",
    "10.1",
    "11.0",
    "3.6",
    "3.6b2",
    "2.0.0.4",
    "70.0",
    "banana",
    "12.*",
]
OPERATORS = ["", "", ">=", ">", "<=", "<"]
BUILDS = ["20200101", "20210101", "3", "", "2020"]
SYSTEMS = ["Windows 10", "Windows_NT 6.1 (x64)", "Darwin 19", "Linux 5 (GTK 3.24)", ""]
MEMORIES = [0, 512, 1000, 2000, 8000]
CHANNELS = ["release", "release-cck-corp", "beta", "beta-cck-a-cck-b", "nightly", "rel", "r", "-cck-x", "a(b"]
JUNK_EXPRESSIONS = [
    "",
    " ",
    ",",
    "*",
    "**",
    ">",
    "<=,",
    "=9.0",
    "> 9.0",
    "9.0, 10.0",
    "&&",
    "a&&,b",
    "(",
    "[",
    "\\",
    "é",
    "9" * 70,
]


def _or_none(strategy):
    return st.one_of(st.none(), strategy, strategy, strategy)


def _or_junk(strategy):
    return st.one_of(st.none(), strategy, strategy, strategy, st.sampled_from(JUNK_EXPRESSIONS))


_lists = st.lists(
    st.sampled_from(["a", "b", "c", "", "default", "SSE3", "en-US"]), min_size=1, max_size=3
).map(",".join)
_version_items = st.builds(
    "{}{}".format, st.sampled_from(OPERATORS), st.sampled_from([*VERSIONS, "10.*", "10.0.*", "10.1.*", "2.9"])
)

RULE_FIELDS = {
    "product": _or_none(st.sampled_from(PRODUCTS)),
    "channel": _or_junk(
        st.sampled_from(["release", "release*", "rel*", "r*", "beta*", "release-cck-*", "*", "a(b*", "beta"])
    ),
    "version": _or_junk(st.lists(_version_items, min_size=1, max_size=3).map(",".join)),
    "build_target": _or_none(st.sampled_from(["T1", "T2"])),
    "build_id": _or_junk(st.builds("{}{}".format, st.sampled_from(OPERATORS), st.sampled_from(BUILDS))),
    "locale": _or_none(_lists),
    "os_version": _or_junk(
        st.sampled_from(
            ["Windows", "Wind && 10,Darwin", "Linux&&GTK 3", "NT 6.1 , Darwin 19", "Linux", "6&&10"]
        )
    ),
    "memory": _or_junk(st.builds("{}{}".format, st.sampled_from(OPERATORS), st.sampled_from(MEMORIES))),
    "instruction_set": _or_none(_lists),
    "jaws": _or_none(st.booleans()),
    "mig64": _or_none(st.booleans()),
    "distribution": _or_none(_lists),
    "dist_version": _or_none(st.sampled_from(["1", "2"])),
    "header_architecture": _or_none(st.sampled_from(["PPC", "Intel"])),
    "whitelist": _or_none(st.sampled_from(["listed", "missing", "broken"])),
}
NOTHING = st.just({})


@st.composite
def rule_sets(draw, extra=NOTHING, most=25):
    """Rules with ids in an order that is not their priority's; `extra` draws further fields for each.

    The rules of one set look at few fields: with many, hardly any would ever match.
    """
    looked_at = draw(st.sets(st.sampled_from(sorted(RULE_FIELDS)), min_size=1, max_size=3))
    some_fields = st.fixed_dictionaries({name: RULE_FIELDS[name] for name in sorted(looked_at)})
    drawn = draw(st.lists(st.tuples(some_fields, st.integers(0, 4), extra), max_size=most))
    ids = draw(st.permutations(range(1, len(drawn) + 1)))
    return [
        Rule(rule_id=number, data_version=1, priority=priority, **fields, **more)
        for number, (fields, priority, more) in zip(ids, drawn, strict=True)
    ]


_value = st.sampled_from(["a", "b", "c", "default", "SSE3", "en-US", "x" * 300])

queries = st.builds(
    UpdateQuery,
    product=st.sampled_from([*PRODUCTS, "Nobody"]),
    version=st.sampled_from(VERSIONS),
    channel=st.sampled_from(CHANNELS),
    build_target=st.sampled_from(["T1", "T2", "T3"]),
    build_id=st.none() | st.sampled_from(BUILDS),
    locale=st.none() | _value,
    os_version=st.none() | st.sampled_from(SYSTEMS),
    header_architecture=st.sampled_from([None, "PPC", "Intel"]),
    distribution=st.none() | _value,
    dist_version=st.sampled_from([None, "1", "3"]),
    instruction_set=st.sampled_from([None, "", "SSE3", "a"]),
    memory=st.none() | st.sampled_from([*MEMORIES, 10**30]),
    jaws=st.sampled_from([None, True, False]),
    mig64=st.sampled_from([None, True, False]),
    imei=st.sampled_from([None, "imei-1", "imei-2"]),
    force=st.sampled_from([None, *Force]),
    pin=st.sampled_from([None, None, "9.", "10.0.", "10"]),
)
