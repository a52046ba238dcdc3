"""Exit code 0 when the server in this container says that it serves (gRPC health protocol)."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = 4.0


def serving(address: str) -> bool:
    """Whether the server at `address` answers SERVING for itself as a whole."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=SECONDS)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    asked = os.environ.get("TWIN_HEALTH_LISTEN") or os.environ.get("TWIN_LISTEN", "127.0.0.1:50051")
    port = asked.rpartition(":")[2]
    try:
        sys.exit(0 if serving(f"127.0.0.1:{port}") else 1)
    except grpc.RpcError as error:
        print(error.code().name, file=sys.stderr)
        sys.exit(1)
