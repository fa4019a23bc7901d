from typing import ClassVar

from django.db import models

from history.fields import CanonicalJSONField
from history.models import VersionedModel


class Shelf(VersionedModel):
    """A row that others point to."""

    history_facets: ClassVar[dict[str, str]] = {"room": "name"}

    name = models.CharField(max_length=50, unique=True)
    tags = models.CharField(max_length=200, blank=True, default="")
    height = models.IntegerField(null=True, blank=True)
    opened = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class Book(VersionedModel):
    """A row with a document, a part of its shelf."""

    history_facets: ClassVar[dict[str, str]] = {"room": "shelf__name"}
    history_parent: ClassVar[str] = "shelf"

    shelf = models.ForeignKey(Shelf, on_delete=models.PROTECT)
    title = models.CharField(max_length=100)
    lent = models.BooleanField(default=False)
    document = CanonicalJSONField(default=dict)

    def __str__(self) -> str:
        return self.title
