"""Real servers for tests: found on the machine, started by the fixtures, gone with the test run."""
