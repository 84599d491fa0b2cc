"""Published playbooks: immutable revisions, and the lasting identity of pipelines and stages."""
