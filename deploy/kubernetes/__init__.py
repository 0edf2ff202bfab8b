"""What the Kubernetes manifests take from the rest of deploy/."""
