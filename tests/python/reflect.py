"""Reads a sensor's stream with grpcio and server reflection alone.

usage: reflect.py SOCKET COUNT
"""

import collections
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "activity.sensor.v1.SensorService"
HEALTH = "grpc.health.v1.Health"
DEADLINE = 30


def main(socket, count):
    # grpcio derives an authority from a socket's path that HTTP/2 does not allow.
    channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")])
    reflection = ProtoReflectionDescriptorDatabase(channel)
    services = set(reflection.get_services())
    assert {SERVICE, HEALTH} <= services, services
    pool = descriptor_pool.DescriptorPool(reflection)

    def method(service, name):
        found = pool.FindServiceByName(service).FindMethodByName(name)
        request = message_factory.GetMessageClass(found.input_type)
        response = message_factory.GetMessageClass(found.output_type)
        make = channel.unary_stream if found.server_streaming else channel.unary_unary
        call = make(
            f"/{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return request, call

    request, check = method(HEALTH, "Check")
    health = check(request(service=SERVICE), timeout=DEADLINE)
    assert health.status == 1, health

    request, get_status = method(SERVICE, "GetStatus")
    status = get_status(request(), timeout=DEADLINE)
    assert status.sensor_id and status.boot_id and status.epoch >= 1, status
    # A kernel without modules loads none.
    missing = [hook.name for hook in status.status.hooks if not hook.live and hook.name != "module_load"]
    assert not missing, status.status

    request, subscribe = method(SERVICE, "Subscribe")
    stream = subscribe(request(), timeout=DEADLINE)
    # The answer's head is sent once the subscription stands.
    stream.initial_metadata()
    print("subscribed", flush=True)
    read = 0
    opens = collections.Counter()
    for response in stream:
        for event in response.events:
            read += 1
            if event.WhichOneof("payload") == "open":
                opens[event.login.auid, event.open.path] += 1
        if read >= count and max(opens.values(), default=0) >= count:
            break
    stream.cancel()
    for (auid, path), times in opens.items():
        print(f"opens of {path.decode(errors='backslashreplace')} by {auid}: {times}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
