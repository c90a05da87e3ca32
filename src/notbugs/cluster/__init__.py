"""Work on a Ray cluster: this machine as one, or one that is there. Ray is imported only where it is asked for."""

from notbugs.cluster.on_ray import OnRay

__all__ = ["OnRay"]
