"""How big a run is: every size that `--quick` changes stands in this one table.

The full run is the one whose numbers may be quoted. The quick one goes the same way
through the same code in a few minutes, to see that all of it works.
"""

from __future__ import annotations

from dataclasses import dataclass

KB = 1024
MB = 1_000_000
GB = 1_000_000_000


@dataclass(frozen=True)
class Scale:
    """The sizes of one run; sizes of a body are of one turn, see `rounds.py`."""

    quick: bool
    rounds: int
    throughput_bytes: int
    in_process_items: int
    wire_items_slow: int
    wire_items_fast: int
    first_byte_requests: int
    idle_clients: int
    idle_ticks: int
    thread_clients: int
    greenlet_clients: int
    memory_big_bytes: int
    memory_small_bytes: int
    page_views: int
    hint_visits: int
    burst_slots: tuple[int, ...]
    burst_views: int
    row_requests: int
    crowd_rounds: int
    crowd_seconds: float
    """A whole number of times that the slowest slot takes."""
    crowd_queue_seconds: float
    export_rounds: int
    export_rows: int
    export_peer_rows: int
    export_memory_rows: int
    """A whole number of times 20,000."""
    export_encoded_rows: int
    export_few_rows: int
    export_many_rows: int
    export_first_bytes: int
    event_rounds: int
    event_clients: int
    event_few_clients: int
    event_wire_events: int
    video_rounds: int
    video_viewers: tuple[int, ...]
    video_seconds: float


FULL = Scale(
    quick=False,
    rounds=10,
    throughput_bytes=200 * MB,
    in_process_items=200_000,
    wire_items_slow=60_000,
    wire_items_fast=1_500_000,
    first_byte_requests=8,
    idle_clients=10_000,
    idle_ticks=10,
    thread_clients=500,
    greenlet_clients=1_000,
    memory_big_bytes=5 * GB,
    memory_small_bytes=500 * MB,
    page_views=9,
    hint_visits=15,
    burst_slots=(250, 500, 1_000, 2_000),
    burst_views=9,
    row_requests=8,
    crowd_rounds=3,
    crowd_seconds=16.0,
    crowd_queue_seconds=25.0,
    export_rounds=5,
    export_rows=100_000,
    export_peer_rows=20_000,
    export_memory_rows=1_000_000,
    export_encoded_rows=10_000,
    export_few_rows=100_000,
    export_many_rows=5_000_000,
    export_first_bytes=8,
    event_rounds=3,
    event_clients=10_000,
    event_few_clients=1_000,
    event_wire_events=4_000,
    video_rounds=3,
    video_viewers=(10, 100, 300),
    video_seconds=10.0,
)

QUICK = Scale(
    quick=True,
    rounds=3,
    throughput_bytes=100 * MB,
    in_process_items=100_000,
    wire_items_slow=30_000,
    wire_items_fast=500_000,
    first_byte_requests=6,
    idle_clients=1_000,
    idle_ticks=4,
    thread_clients=100,
    greenlet_clients=100,
    memory_big_bytes=1 * GB,
    memory_small_bytes=100 * MB,
    page_views=2,
    hint_visits=3,
    burst_slots=(250, 500, 1_000, 2_000),
    burst_views=3,
    row_requests=4,
    crowd_rounds=1,
    crowd_seconds=4.8,
    crowd_queue_seconds=8.0,
    export_rounds=1,
    export_rows=50_000,
    export_peer_rows=10_000,
    export_memory_rows=400_000,
    export_encoded_rows=5_000,
    export_few_rows=100_000,
    export_many_rows=500_000,
    export_first_bytes=4,
    event_rounds=1,
    event_clients=1_000,
    event_few_clients=200,
    event_wire_events=1_000,
    video_rounds=1,
    video_viewers=(10, 50),
    video_seconds=3.0,
)
