"""Activity: calls, mails, meetings and notes, tasks, and the timeline of an account."""
