"""How every page is looked at: colour scheme, width of the window, and the rules of axe that this way is about."""

VIEWS = (
    ("light", 1200, ()),  # all rules
    ("dark", 1200, ("color-contrast", "link-in-text-block")),
    ("light", 360, ("target-size", "scrollable-region-focusable", "region", "label")),
)
