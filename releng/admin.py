"""The admin site of this project."""

from history.sites import HistoryAdminSite


class UpdatesAdminSite(HistoryAdminSite):
    """Where release engineers work and auditors read."""

    site_header = "Update server"
    site_title = "Update server"
    index_title = "Rules and releases"
