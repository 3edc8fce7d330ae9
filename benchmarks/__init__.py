"""Speed and quality of ahpo beside its peers, measured in the same run on the same work."""
