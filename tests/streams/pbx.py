"""A busy PBX made of bytes: it tells of traffic, answers every question truthfully, and knows how much it has said."""

import asyncio
import random
from dataclasses import dataclass, field

from ami.fake import FakeAsterisk, Heard, error, success
from lab.asterisk import AmiLogin
from streams.traffic import QUESTIONS, Traffic


@dataclass
class BusyPbx(FakeAsterisk):
    """One session's other end, and the traffic that it tells of."""

    traffic: Traffic = field(default_factory=lambda: Traffic(random.Random(1)))
    told: int = 0
    """Events said so far, rows of answers too; to every session that there is."""

    def __post_init__(self) -> None:
        for question in QUESTIONS:
            self.answers[question] = self._answer

    @property
    def login(self) -> AmiLogin:
        """Where to log in."""
        return AmiLogin("127.0.0.1", self.port, "uapi", "change-me")

    async def tell(self, data: bytes) -> None:
        """Say something to the session; returns when the system has taken most of it."""
        self.told += data.count(b"Event: ")
        self.say(data)
        for writer in list(self._writers):
            await writer.drain()

    async def until_alone(self) -> None:
        """Wait until every session is over."""
        async with asyncio.timeout(10):
            while self._writers:  # noqa: ASYNC110 (there is no event of their end)
                await asyncio.sleep(0.01)

    def _answer(self, heard: Heard) -> bytes:
        question, action_id = heard["Action"][0], heard["ActionID"][0]
        if "Channel" in heard:
            rows = self.traffic.alone(heard["Channel"][0], action_id)
            if rows is None:
                return error(heard, "No such channel")
        else:
            rows = self.traffic.answer(question, action_id)
        self.told += rows.count(b"Event: ")
        return success(heard, EventList="start", Message="will follow") + rows
