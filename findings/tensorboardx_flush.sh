#!/usr/bin/env bash
# tensorboardX 2.6.5: after `SummaryWriter.flush()` events may still be missing in the file.
#
# `add_scalar` hands its event to a queue that a thread of the writer's empties. `flush` empties the buffer of the file,
# not that queue: what the thread has not taken from it yet is not on the disk when `flush` returns. Who flushes so that a
# kill loses nothing, as one does before a machine is taken away, loses the last figures. TensorFlow's and torch's writers
# wait for their queue in `flush`.
#
# `close` does wait. Where every line must be there, use tensorboardX's `EventsWriter`, which has no thread: its `flush`
# leaves all that was written.
#
# Output seen (Python 3.11, tensorboardX 2.6.5, protobuf 6.33.2):
#   flush: some of 2000 figures are missing
#   close: 2000 of 2000 figures are there
#   EventsWriter, flush: 2000 of 2000 figures are there
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check tensorboardX==2.6.5 numpy==2.4.6 protobuf==6.33.2
"$work/env/bin/python" - "$work" <<'PY'
import struct, sys, time
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar

COUNT, work = 2_000, Path(sys.argv[1])


def figures(folder):
    """Scalars in the event files of a folder: records of length, checksum, event, checksum."""
    count = 0
    for file in folder.iterdir():
        data, place = file.read_bytes(), 0
        while place + 12 <= len(data):
            (size,) = struct.unpack("<Q", data[place : place + 8])
            event = data[place + 12 : place + 12 + size]
            if len(event) == size:
                count += len(Event.FromString(event).summary.value)
            place += 16 + size
    return count


writer = SummaryWriter(str(work / "summary"))
for step in range(COUNT):
    writer.add_scalar("loss", 1.0, step)
writer.flush()
flushed = figures(work / "summary")
writer.close()
closed = figures(work / "summary")

(work / "events").mkdir()
events = EventsWriter(str(work / "events" / "events"))
for step in range(COUNT):
    events.write_event(Event(wall_time=time.time(), step=step, summary=scalar("loss", 1.0)))
events.flush()
direct = figures(work / "events")
print("flush:", "some of" if flushed < COUNT else "none of", COUNT, "figures are missing")
print(f"close: {closed} of {COUNT} figures are there")
print(f"EventsWriter, flush: {direct} of {COUNT} figures are there")
assert flushed < closed == direct == COUNT, "flush waits for its queue now"
PY
