"""A player on aiortc: joins a lobby in the documented JSON, makes a path to the other member, sends back what comes
through it, and closes it when it is asked to. Every line of output is a JSON object.

python aiortc_peer.py URL LOBBY [flip|deaf|fingerprint]: the last makes it misbehave.
"""

import asyncio
import json
import re
import sys

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp
from websockets.asyncio.client import connect

CHANNEL = {"label": "webstar", "ordered": False, "maxRetransmits": 0}


def tell(**line):
    print(json.dumps(line), flush=True)


def sections(sdp):
    """What is before the first section, and the sections."""
    return re.split(r"(?m)^(?=m=)", sdp)


def without_audio(offer):
    """aiortc refuses a whole offer for one section whose codecs it does not know: it must not see the section."""
    kept, names = [], []
    for section in sections(offer):
        if section.startswith("m=audio"):
            names += re.findall(r"(?m)^a=mid:(\S+)", section)
        else:
            kept.append(section)
    group = re.search(r"(?m)^a=group:BUNDLE(.*?)\r$", kept[0])
    left = [name for name in group[1].split() if name not in names]
    kept[0] = kept[0].replace(group[0], f"a=group:BUNDLE {' '.join(left)}\r")
    return "".join(kept)


def with_audio_rejected(answer, offer):
    """The answer has the sections of the offer, in their order; port 0 rejects one."""
    head, *answered = sections(answer)
    whole = [head]
    for section in sections(offer)[1:]:
        if section.startswith("m=audio"):
            line, name = section.split("\r\n", 1)[0], re.search(r"(?m)^a=mid:(\S+)", section)[1]
            line = re.sub(r"^m=audio \d+", "m=audio 0", line)
            whole.append(f"{line}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{name}\r\n")
        else:
            whole.append(answered.pop(0))
    return "".join(whole)


class Peer:
    def __init__(self, socket, canary):
        self.socket, self.canary = socket, canary
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.on("datachannel", self.take)
        self.closed, self.closing = asyncio.Event(), None
        self.number = self.other = None

    def close(self):
        self.closing = self.closing or asyncio.create_task(self.connection.close())

    async def say(self, **message):
        await self.socket.send(json.dumps(message))

    async def signal(self, kind, sdp):
        if self.canary == "fingerprint":
            sdp = re.sub(r"(a=fingerprint:\S+ ..)", r"\1:00", sdp)
            sdp = re.sub(r"(a=fingerprint:.*):..\r", r"\1\r", sdp)
        await self.say(type="webrtc_signal", to_player=self.other, signal={"type": kind, "sdp": sdp})

    def take(self, channel):
        @channel.on("message")
        def _(message):
            tell(event="message", bytes=len(message))
            if self.canary == "flip":
                message = message[:-1] + bytes([message[-1] ^ 1])
            channel.send(message)

        @channel.on("close")
        def _():
            tell(event="closed")
            self.closed.set()

    async def offer(self):
        self.take(self.connection.createDataChannel(**CHANNEL))
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self.signal("offer", self.connection.localDescription.sdp)

    async def on_signal(self, signal):
        match signal:
            case {"type": "offer", "sdp": sdp}:
                await self.connection.setRemoteDescription(RTCSessionDescription(without_audio(sdp), "offer"))
                await self.connection.setLocalDescription(await self.connection.createAnswer())
                await self.signal("answer", with_audio_rejected(self.connection.localDescription.sdp, sdp))
            case {"type": "answer", "sdp": sdp}:
                await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            case {"type": "ice_candidate", "candidate": told}:
                candidate = candidate_from_sdp(told["candidate"].removeprefix("candidate:"))
                candidate.sdpMid, candidate.sdpMLineIndex = told["sdpMid"], told["sdpMLineIndex"]
                await self.connection.addIceCandidate(candidate)

    async def on_message(self, message):
        match message:
            case {"type": "lobby_joined", "player_id": number, "player_list": players}:
                self.number = number
                others = [player["player_id"] for player in players if player["player_id"] != number]
                tell(event="joined", player=number)
                # Who came later offers.
                if others:
                    self.other = others[0]
                    await self.offer()
            case {"type": "webrtc_signal", "from_player": other, "signal": signal}:
                self.other = other
                await self.on_signal(signal)
            case {"type": "relay_data", "data": "close"} if self.canary != "deaf":
                self.close()
            case {"type": "error"}:
                raise RuntimeError(f"the server refuses: {message}")

    async def listen(self):
        async for frame in self.socket:
            await self.on_message(json.loads(frame))


async def main(url, lobby, canary=None):
    async with connect(url) as socket:
        peer = Peer(socket, canary)
        # A player without a key: it has a part in signalling, and none in the star.
        await peer.say(type="hello", versions=[2])
        await peer.say(type="join_lobby", lobby_id=lobby, username="aiortc", create={})
        listening = asyncio.create_task(peer.listen())
        closing = asyncio.create_task(peer.closed.wait())
        done, _ = await asyncio.wait({listening, closing}, return_when=asyncio.FIRST_COMPLETED)
        if listening in done:
            listening.result()
            raise RuntimeError("the server has closed the connection")
        peer.close()
        await peer.closing
        await peer.say(type="leave_lobby")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
