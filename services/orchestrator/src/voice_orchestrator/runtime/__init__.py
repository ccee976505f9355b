"""The runtime around the session core: tasks, clocks, queues, the link to inference, the journal."""
