"""Foreign WebRTC stacks and a player of ours make direct paths, by the product's own signalling.

python test_rtc.py WEBSTAR FOREIGN_PEER [--canary]: needs the programs `webstar` and `foreign_peer`, the packages of
requirements.txt and package.json, and headless Chromium. Real processes and sockets. One line for each stack and role,
twice: once the other side closes, and once we do. With --canary a foreign stack misbehaves in one way after the other,
and each must be noticed.
"""

import asyncio
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from lines import LIMIT, Lines  # noqa: E402

# One datagram of the least, one of the most, and what takes several.
SIZES = [1, 1_050, 16_384]
STACKS = {
    "aiortc": [sys.executable, HERE / "aiortc_peer.py"],
    "node-datachannel": ["node", HERE / "node_peer.js"],
    "chromium": ["node", HERE / "chromium_peer.js"],
}
ROLES = ["offers", "answers"]
# How the foreign stack misbehaves, and at what it must be noticed.
CANARIES = {
    "flip": ("a byte of each message is another when it comes back", "came back altered"),
    "deaf": ("it does not close when it is asked to", "it waited for TheirClose"),
    "fingerprint": ("its certificate is not the one that it has told", "TheChannel"),
}


class Red(Exception):
    pass


def expect(holds, what):
    if not holds:
        raise Red(what)


async def meet(programs, url, stack, role, closer, *canary):
    """One conversation. Who comes later offers."""
    lobby = "-".join(["rtc", stack, role, closer, *canary])
    native_command = [programs["native"], url, lobby, "us" if closer == "ours" else "them", *SIZES]
    foreign_command = [*STACKS[stack], url, lobby, *canary]
    commands = {"native": native_command, "foreign": foreign_command}
    first, second = ("native", "foreign") if role == "offers" else ("foreign", "native")
    sides = {}
    try:
        for side in (first, second):
            sides[side] = await Lines.start(side, *commands[side])
            await sides[side].until(event="joined")
        for name in ("native", "foreign"):
            while await sides[name].next():
                pass
            end = await sides[name].end()
            expect(end == 0, f"the {name} side ended with {end}: {sides[name].seen[-1:]}")
        judge(sides["native"].seen, sides["foreign"].seen, role)
        return [line["event"] for line in sides["native"].seen].count("again")
    except (AssertionError, TimeoutError) as error:
        raise Red(f"{type(error).__name__}: {error}") from error
    finally:
        for side in sides.values():
            await side.kill()


def judge(native, foreign, role):
    """What both sides have told is compared: nobody is believed alone."""
    by_them = [line["type"] for line in native if line["event"] == "signal" and line["from"] == "them"]
    by_us = [line["type"] for line in native if line["event"] == "signal" and line["from"] == "us"]
    offerer, answerer = (by_them, by_us) if role == "offers" else (by_us, by_them)
    expect("offer" in offerer and "answer" in answerer, f"it {role}: {native}")
    opened = [line["kind"] for line in native if line["event"] == "pipe" and line["is"] == "opened"]
    expect(opened == ["sctp"], f"the data channel opens, and nothing else that nobody speaks there: {opened}, {native}")
    back = [line["bytes"] for line in native if line["event"] == "back" and line["unaltered"]]
    expect(back == SIZES, f"all came back unaltered: {native}")
    seen = {line["bytes"] for line in foreign if line["event"] == "message"}
    expect(seen == set(SIZES), f"the other side has seen {seen}")
    expect({"event": "closed"} in foreign, f"the other side has seen the close: {foreign}")
    expect(native[-1] == {"event": "done"}, f"we have seen the end: {native}")


async def all_stacks(programs, url):
    reds = 0
    for stack in STACKS:
        for role in ROLES:
            for closer in ("theirs", "ours"):
                began = time.monotonic()
                case = f"{stack} {role}, the close is {closer}"
                try:
                    again = await meet(programs, url, stack, role, closer)
                except Red as why:
                    reds += 1
                    print(f"RED {case}: {why}")
                    continue
                sizes = ", ".join(map(str, SIZES))
                took = time.monotonic() - began
                print(f"{case}: {sizes} bytes both ways, {again} sent again, closed on both sides, {took:.1f} s")
    return reds


async def all_canaries(programs, url):
    async def is_noticed(canary, meaning, words):
        why = "it is green"
        try:
            await meet(programs, url, "aiortc", "offers", "theirs", canary)
        except Red as red:
            why = str(red)
        if words in why:
            print(f"canary {canary} is red, as it should: {meaning}: {why[-120:]}")
            return True
        print(f"RED canary {canary} is not noticed as it should, though {meaning}: {why}")
        return False

    noticed = await asyncio.gather(*(is_noticed(name, *what) for name, what in CANARIES.items()))
    return noticed.count(False)


async def main(webstar, native, *flags):
    server = await Lines.start("server", webstar, "serve", "--listen", "127.0.0.1:0", "--json")
    try:
        url = (await server.until(event="listening"))["url"]
        run = all_canaries if "--canary" in flags else all_stacks
        return await run({"native": native}, url)
    finally:
        server.process.terminate()
        await asyncio.wait_for(server.process.wait(), LIMIT)


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(*sys.argv[1:])) else 0)
