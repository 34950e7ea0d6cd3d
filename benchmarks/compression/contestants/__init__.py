"""Who works on the tasks; each is a program of its own that gets a task and a folder."""
