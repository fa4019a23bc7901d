"""Questions about releases that more than one place asks."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q

from history.models import VersionedQuerySet


class ReleaseQuerySet(VersionedQuerySet):
    """Releases; what points to them is found through their relations, whatever app it belongs to."""

    def pointed_at(self) -> ReleaseQuerySet:
        """Only releases that a rule, a pin or anything else points to."""
        return self.filter(self._is_pointed_at())

    def unused(self) -> ReleaseQuerySet:
        """Only releases that nothing points to."""
        return self.exclude(self._is_pointed_at())

    def without_documents(self) -> ReleaseQuerySet:
        """Leave out the documents, which may be large, until they are asked for."""
        return self.defer("document")

    def _is_pointed_at(self) -> Q:
        condition = Q()
        for relation in pointing_relations(self.model):
            field = relation.field
            rows = relation.related_model._base_manager.filter(
                **{field.attname: OuterRef(field.target_field.name)}
            )
            condition |= Q(Exists(rows))
        return condition


def pointing_relations(model: Any) -> list[Any]:
    """Return the relations through which rows of other kinds point to releases; not those of their parts."""
    return [
        relation
        for relation in model._meta.related_objects
        if relation.related_model._meta.label != "releases.ReleasePart"
    ]
