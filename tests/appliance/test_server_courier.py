from __future__ import annotations

import asyncio
import threading

from appliance.engine.request import Piece
from appliance.server.courier import Courier, Mailbox


def test_everything_arrives_in_order_however_often_the_bell_is_rung() -> None:
    count = 100_000  # more rings than go into the pipe while nobody listens

    async def read() -> list[str]:
        mailbox = Mailbox()
        courier = Courier(asyncio.get_running_loop())

        def send() -> None:
            for number in range(count):
                courier.put(mailbox, 0, Piece(str(number)))
                courier.deliver()

        sender = threading.Thread(target=send)
        sender.start()
        sender.join()
        heard: list[str] = []
        while len(heard) < count:
            heard += [event.text for _, event in await mailbox.take() if isinstance(event, Piece)]
        return heard

    assert asyncio.run(read()) == [str(number) for number in range(count)]


def test_a_reader_that_waits_is_woken_from_another_thread() -> None:
    async def read() -> list[str]:
        mailbox = Mailbox()
        courier = Courier(asyncio.get_running_loop())

        def send(text: str) -> None:
            courier.put(mailbox, 1, Piece(text))
            courier.deliver()

        heard = []
        for text in ("a", "b"):
            reader = asyncio.create_task(mailbox.take())
            await asyncio.sleep(0)  # it waits now
            await asyncio.to_thread(send, text)
            heard += [event.text for _, event in await asyncio.wait_for(reader, 30) if isinstance(event, Piece)]
        return heard

    assert asyncio.run(read()) == ["a", "b"]


def test_what_comes_after_the_loop_has_ended_harms_nobody() -> None:
    async def make() -> Courier:
        return Courier(asyncio.get_running_loop())

    courier = asyncio.run(make())
    courier.put(Mailbox(), 0, Piece("late"))
    courier.deliver()
