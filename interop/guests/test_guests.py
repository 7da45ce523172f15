"""Foreign clients that speak nothing but the documented JSON, in one room with a player of ours.

python test_guests.py WEBSTAR: needs the program `webstar`, the package `websockets`, and `godot3-server`.
Real processes and sockets. Every wait is for an event; the limit only ends a run that hangs.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path

from websockets.asyncio.client import connect

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from lines import LIMIT, Lines, fits  # noqa: E402


class Guest:
    """A guest on Python's `websockets`."""

    def __init__(self, name, socket):
        self.name, self.socket, self.seen = name, socket, []

    @classmethod
    async def join(cls, url, lobby, name):
        guest = cls(name, await connect(url))
        await guest.say(type="join_lobby", lobby_id=lobby, username=name)
        joined = await guest.until(type="lobby_joined")
        guest.number = joined["player_id"]
        guest.joined = joined
        return guest

    async def say(self, **message):
        await self.socket.send(json.dumps(message))

    async def until(self, **wanted):
        while True:
            frame = await asyncio.wait_for(self.socket.recv(), LIMIT)
            assert isinstance(frame, str), f"{self.name} is a guest and got a binary frame"
            told = json.loads(frame)
            self.seen.append(told)
            if fits(told, wanted):
                return told

    async def leave(self):
        await self.say(type="leave_lobby")
        await self.until(type="lobby_left")
        await self.socket.close()


def names(told):
    return [player["username"] for player in told["player_list"]]


async def a_player_and_two_guests(webstar, url):
    ann = await Lines.start("ann", webstar, "join", "arena", "--create", "--name", "ann", "--server", url, "--json")
    await ann.until(event="joined", player=1)

    pia = await Guest.join(url, "arena", "pia")
    assert (pia.number, names(pia.joined), pia.joined["host_id"]) == (2, ["ann", "pia"], 1), pia.joined
    await ann.until(event="player_joined", player=2, name="pia")

    await pia.say(type="broadcast_data", data="hello all")
    heard = await ann.until(event="message", **{"from": 2})
    assert (heard["kind"], heard["data"]) == ("relay", "hello all"), heard
    await pia.say(type="relay_data", to_player=1, data={"x": [1, 2.5, None], "y": "ü"}, from_player=1)
    heard = await ann.until(event="message", kind="relay")
    assert heard["from"] == 2, f"the server stamps the sender: {heard}"
    assert json.loads(heard["data"]) == {"x": [1, 2.5, None], "y": "ü"}, heard

    await ann.say("/to 2 hello pia")
    assert (await pia.until(type="relay_data"))["data"] == "hello pia"
    await ann.say("/as relay to everybody")
    assert fits(await pia.until(type="relay_data"), {"from_player": 1, "data": "to everybody"})

    gus = await Lines.start(
        "gus", "godot3-server", "--path", HERE / "godot", "-s", "guest.gd", "--", url, "arena", "gus"
    )
    assert names(await gus.until(type="lobby_joined", player_id=3)) == ["ann", "pia", "gus"]
    assert names(await pia.until(type="player_list_updated")) == ["ann", "pia", "gus"]
    greeted = {"data": "greetings from godot"}
    await ann.until(event="message", kind="relay", **{"from": 3}, **greeted)
    await pia.until(type="broadcast_data", from_player=3, **greeted)
    await pia.say(type="relay_data", to_player=3, data="are you there?")
    assert (await pia.until(type="relay_data", from_player=3))["data"] == "echo: are you there?"
    await ann.say("/to 3 and I?")
    heard = await ann.until(event="message", **{"from": 3})
    assert heard["data"] == "echo: and I?", heard
    await ann.say("/to 3 leave")
    await ann.until(event="player_left", player=3)
    assert names(await pia.until(type="player_list_updated")) == ["ann", "pia"]
    assert await gus.end() == 0

    assert await ann.end() == 0
    await pia.until(type="host_migration", new_host_id=2)
    assert names(await pia.until(type="player_list_updated")) == ["pia"]
    await pia.leave()


async def a_room_of_guests_alone(url):
    one = await Guest.join(url, "lounge", "one")
    two = await Guest.join(url, "lounge", "two")
    assert (one.joined["host_id"], two.joined["host_id"]) == (1, 1)
    await two.say(type="broadcast_data", data=[1, 2, 3])
    assert fits(await one.until(type="broadcast_data"), {"from_player": 2, "data": [1, 2, 3]})
    await two.say(type="start_game")
    assert (await two.until(type="error"))["code"] == "not_host"
    await one.say(type="start_game")
    for guest in (one, two):
        await guest.until(type="game_started")
    await one.say(type="ping")
    await one.until(type="pong")
    await one.say(type="nonsense")
    assert (await one.until(type="error"))["code"] == "bad_message"
    await one.leave()
    await two.until(type="host_migration", new_host_id=2)
    await two.leave()


async def main(webstar):
    assert shutil.which("godot3-server"), "godot3-server is missing: apt-get install godot3-server"
    server = await Lines.start("server", webstar, "serve", "--listen", "127.0.0.1:0", "--json")
    try:
        url = (await server.until(event="listening"))["url"]
        await a_player_and_two_guests(webstar, url)
        print("guests: a player and guests on Python and Godot 3 talked")
        await a_room_of_guests_alone(url)
        print("guests: a room of guests alone worked")
    finally:
        server.process.terminate()
        await asyncio.wait_for(server.process.wait(), LIMIT)
    assert server.process.returncode == 0, f"the server ended with {server.process.returncode}"


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve()))
