"""Addresses of the API, below `/api/`; the public read API (`/api/v1/`) is in releng.updates.urls."""

from django.urls import path, re_path

from releng.api import agent, histories, pins, rules, scheduled_changes, shutoffs, signoffs, users
from releng.api.contract_urls import contract_urls
from releng.api.routing import nothing, without_slash

CHANGE = "v2/scheduled_changes/<int:change_id>"

urlpatterns = [
    path("rules", rules.RuleList.as_view()),
    path("rules/history", histories.RuleHistory.as_view()),
    path("rules/columns/<str:column>", rules.RuleColumn.as_view()),
    path("rules/<int:rule_id>/revisions", rules.RuleRevisions.as_view()),
    path("rules/<str:id_or_alias>", rules.RuleDetail.as_view()),
    path("emergency_shutoff", shutoffs.ShutoffList.as_view()),
    path("emergency_shutoff/<str:product>/<str:channel>", shutoffs.ShutoffDetail.as_view()),
    path("users", users.UserList.as_view()),
    path("users/<str:username>", users.UserDetail.as_view()),
    path("users/<str:username>/permissions", users.UserPermissions.as_view()),
    path("users/<str:username>/permissions/<str:permission>", users.UserPermission.as_view()),
    path("users/<str:username>/roles", users.UserRoles.as_view()),
    path("users/<str:username>/roles/<str:role>", users.UserRole.as_view()),
    path("permissions/history", histories.PermissionHistory.as_view()),
    path("required_signoffs/product", signoffs.ProductRequirementList.as_view()),
    path("required_signoffs/product/revisions", signoffs.ProductRequirementVersions.as_view()),
    path("required_signoffs/product/history", histories.ProductSignoffHistory.as_view()),
    path("required_signoffs/permissions", signoffs.PermissionRequirementList.as_view()),
    path("required_signoffs/permissions/revisions", signoffs.PermissionRequirementVersions.as_view()),
    path("required_signoffs/permissions/history", histories.PermissionSignoffHistory.as_view()),
    *contract_urls(),
    path("v2/pins", pins.PinList.as_view()),
    path("v2/pins/<str:product>/<str:channel>/<str:version>", pins.PinDetail.as_view()),
    path("v2/scheduled_changes", scheduled_changes.ScheduledChangeList.as_view()),
    path(CHANGE, scheduled_changes.ScheduledChangeDetail.as_view()),
    path(f"{CHANGE}/signoffs", scheduled_changes.ScheduledChangeSignoffs.as_view()),
    path(f"{CHANGE}/reject", scheduled_changes.ScheduledChangeReject.as_view()),
    path(f"{CHANGE}/resume", scheduled_changes.ScheduledChangeResume.as_view()),
    path(f"{CHANGE}/enact", scheduled_changes.ScheduledChangeEnact.as_view()),
    path("v2/rollouts", scheduled_changes.RolloutList.as_view()),
    path("v2/agent/work", agent.AgentWork.as_view()),
    path("v2/agent/mails", agent.AgentMails.as_view()),
    path("v2/agent/enact/<int:change_id>", agent.AgentEnact.as_view()),
    path("v2/agent/status", agent.AgentStatus.as_view()),
    # Last: what none of the above is.
    re_path(r"^(?P<path>.+)/$", without_slash),
    re_path(r"^.*$", nothing),
]
