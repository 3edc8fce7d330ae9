"""What runs studies: the only home of tasks and threads."""
