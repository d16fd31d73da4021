"""Other weights while a run goes on: requests for them, and the change, worker by worker."""

from pipeline.cluster.weights.requests import Answer, Bundle, WeightsDesk, request_weights

__all__ = ["Answer", "Bundle", "WeightsDesk", "request_weights"]
