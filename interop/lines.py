"""Processes of which every line of output that begins with a brace is a JSON object."""

import asyncio
import json

LIMIT = 30


class Lines:
    """Such a process. Every wait is for an event; the limit only ends a run that hangs."""

    def __init__(self, name, process):
        self.name, self.process, self.seen = name, process, []

    @classmethod
    async def start(cls, name, *command):
        pipe = asyncio.subprocess.PIPE
        return cls(name, await asyncio.create_subprocess_exec(*map(str, command), stdin=pipe, stdout=pipe))

    async def until(self, **wanted):
        """The next object in which these fields have these values."""
        while told := await self.next():
            if fits(told, wanted):
                return told
        raise AssertionError(f"{self.name} ended before {wanted}; it said {self.seen}")

    async def next(self):
        """The next object, or None at the end."""
        while line := await asyncio.wait_for(self.process.stdout.readline(), LIMIT):
            if line.startswith(b"{"):
                self.seen.append(json.loads(line))
                return self.seen[-1]
        return None

    async def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def end(self):
        """Closes its input and waits for its end: how it ended."""
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), LIMIT)

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def fits(told, wanted):
    return all(told.get(key) == value for key, value in wanted.items())
