"""End-to-end QoS: what the classifier's decisions do for real players on congested paths (docs/how-to/qos-lab.md)."""
