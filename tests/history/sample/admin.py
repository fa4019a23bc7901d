from django.contrib import admin

from history.admin import VersionedAdmin
from tests.history.sample.models import Book, Shelf

admin.site.register(Shelf, VersionedAdmin)
admin.site.register(Book, VersionedAdmin)
