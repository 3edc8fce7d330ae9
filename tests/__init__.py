"""The tests: a package, so that a `tests` that another distribution installs does not shadow it."""
