"""What hypothesis may throw at documents."""

from hypothesis import strategies as st

# Texts that hurt: markup, entities, control characters, half surrogate pairs, tokens, everything else.
HOSTILE_TEXT = st.one_of(
    st.sampled_from(
        [
            "<",
            ">",
            '"',
            "'",
            "&",
            "&amp;",
            "&lt;",
            "&#0;",
            "]]>",
            "<!--",
            "\0",
            "\x1b",
            "\ud800",
            "\ufffe",
            "%LOCALE%",
        ]
    ),
    st.text(max_size=12),
    st.text(st.characters(codec=None), max_size=8),
    st.lists(st.sampled_from(['"', "&", "<", "a", "amp;", "\x0b", ">"]), max_size=6).map("".join),
)

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | HOSTILE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE_TEXT, inner, max_size=3),
    max_leaves=8,
)


def paths_of(value, path=()):
    """Yield the path of every place inside a document."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths_of(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths_of(inner, (*path, number))


def replaced(value, path, new):
    """Return a copy of a document with what stands at `path` replaced."""
    if not path:
        return new
    step, *rest = path
    if isinstance(value, dict):
        return {key: replaced(inner, rest, new) if key == step else inner for key, inner in value.items()}
    return [replaced(inner, rest, new) if number == step else inner for number, inner in enumerate(value)]
