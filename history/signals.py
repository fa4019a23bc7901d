"""What happens to change sets, for rooms that must follow what others write."""

from django.dispatch import Signal

# Sent with `change_set` (an OpenChangeSet) when all of it is written but its transaction still runs: receivers may
# write further rows, which belong to the same act. What they raise rolls everything back.
change_set_closing = Signal()
