"""What both services show the person who runs them: commands, one-line errors, logs, settings files."""
