"""A whole collector, small: takes a sensor's stream from its disk and acknowledges it.

usage: consume.py SOCKET NAME FILE LAST

Appends a line for each event to FILE, and ends when the file LAST was opened. Killed and
started again, it goes on where it was: what is in FILE is not sent again, except what
was not acknowledged yet.
"""

import os
import queue
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "activity.sensor.v1.SensorService"


def consume(channel):
    """The call, and the class of what is said to the sensor, from server reflection."""
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName(SERVICE).FindMethodByName("Consume")
    ask = message_factory.GetMessageClass(method.input_type)
    batch = message_factory.GetMessageClass(method.output_type)
    call = channel.stream_stream(
        f"/{SERVICE}/Consume", request_serializer=ask.SerializeToString, response_deserializer=batch.FromString
    )
    return ask, call


def main(socket, name, path, last):
    channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")])
    ask, call = consume(channel)
    asks = queue.SimpleQueue()
    # Without a place to start from: behind what was acknowledged under this name.
    asks.put(ask(start={"consumer": name}))
    ended = False
    stream = call(iter(asks.get, None))
    with open(path, "a", encoding="ascii", errors="backslashreplace") as file:
        for batch in stream:
            for event in batch.events:
                kind = event.WhichOneof("payload")
                what = event.open.path.decode(errors="backslashreplace") if kind == "open" else ""
                print(event.id.epoch, event.id.lane, event.id.sequence, kind, ascii(what), file=file)
                ended = ended or what == last
            file.flush()
            os.fsync(file.fileno())
            # Only now: what is acknowledged is not sent again.
            asks.put(ask(acknowledge={"positions": [batch.position]}))
            if ended:
                break
    # No more is asked; the sensor has read all of it when it ends the stream.
    asks.put(None)
    for _ in stream:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:5])
