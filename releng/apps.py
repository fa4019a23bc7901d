from django.contrib.admin.apps import AdminConfig
from django.contrib.staticfiles.apps import StaticFilesConfig

# Of the editor's modules only ace, mode-json and ext-searchbox are loaded.
UNUSED = (
    *("mode-[!j]*.js", "mode-j[!s]*.js", "mode-js[!o]*.js", "mode-json[!.]*.js", "keybinding-*.js"),
    *(
        "ext-[!s]*.js",
        "ext-s[!e]*.js",
        "ext-settings_menu.js",
        "theme-*.js",
        "worker-*.js",
        "snippets",
        "theme",
    ),
)


class UpdatesAdminConfig(AdminConfig):
    """Django's admin on a site of our own."""

    default_site = "releng.admin.UpdatesAdminSite"


class UpdatesStaticConfig(StaticFilesConfig):
    """Static files; of the editor only what the pages of releases load, and not its hundreds of languages."""

    def ready(self) -> None:
        super().ready()
        self.ignore_patterns = [*self.ignore_patterns, *UNUSED]
