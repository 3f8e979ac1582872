"""A served model as a process: how it is started, asked, loaded and ended, and why it failed."""
