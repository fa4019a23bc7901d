from django.contrib.admin.apps import AdminConfig


class UpdatesAdminConfig(AdminConfig):
    """Django's admin on a site of our own."""

    default_site = "releng.admin.UpdatesAdminSite"
