"""The cases: which network, what happens in it, and what must be true. `python3 cases.py PROGRAM [--canary] [WORDS]`."""

import sys
import time
import traceback

from stage import PATIENCE, PUBLIC, SECRET, Red, Stage

STUN = ["--stun", f"stun:{PUBLIC}"]
TURN = ["--turn", f"turn:{PUBLIC}"]
TURN_TCP = ["--turn", f"turn:{PUBLIC}?transport=tcp"]
TURN_TLS = ["--turn", f"turns:{PUBLIC}:443", "--ca", "cert.pem"]
# What a game that wants to get through everywhere tells its players.
ALL = STUN + TURN + TURN_TCP + TURN_TLS

# Lines that each player says, and the time between two.
LINES = 60
PACE = 0.025


class Case:
    """Two players behind these NATs, what they are told of servers, and the way that their packets must take at last."""

    def __init__(self, name, nats, flags=ALL, path="srtp", turn=False, trouble=None, secret=SECRET,
                 patience=PATIENCE, serve=()):
        self.name, self.nats, self.flags, self.path, self.turn = name, nats, flags, path, turn
        self.trouble, self.secret, self.patience = trouble, secret, patience
        # What the lobby server is told of servers, and tells its players.
        self.serve = list(serve)

    def play(self, webstar, number):
        with Stage(webstar, number, self.nats, self.serve, {"TURN_SECRET": SECRET}) as stage:
            if self.flags or self.serve:
                stage.coturn(self.secret)
            players = [stage.join("hostA", "ann", self.flags), stage.join("hostB", "bob", self.flags)]
            took = self.wait_for_path(players)
            talk(players, "first")
            if self.trouble:
                talk(players, "second", lambda: self.trouble(stage))
                took = self.wait_for_path(players)
                talk(players, "third")
                self.wait_for_path(players)
            nothing_is_lost(players)
            if self.path == "relay":
                only_the_relay_is_used(players)
            return took

    def wait_for_path(self, players):
        """Until both send that way. How long that took."""
        began = time.monotonic()
        for player, other in (players, players[::-1]):
            until = began + self.patience
            while (way := way_to(player, other)) != (self.path, self.turn):
                if time.monotonic() > until:
                    paths = [event for event in player.events if event["event"] in ("path", "error")]
                    raise Red(f"{player.name} sends by {way} and not by {(self.path, self.turn)}; {paths[-8:]}\n"
                              f"{player.stage.log(player.name)}")
                time.sleep(0.1)
        return time.monotonic() - began


def way_to(player, other):
    """By which path packets go there, and whether over a TURN server."""
    rows = [row for row in player.stats()["players"] if row["player"] == other.number()]
    return (rows[0]["path"], rows[0]["turn"]) if rows else None


def talk(players, tag, trouble=None):
    """All say their lines, and hear those of all. Trouble comes after a third of them."""
    for line in range(LINES):
        for player in players:
            player.say(f"{player.name} {tag} {line}")
        if trouble and line == LINES // 3:
            trouble()
        time.sleep(PACE)
    for player in players:
        for other in players:
            last = other.said[-1]
            player.wait(f"`{last}`", lambda event: event["event"] == "message" and event["data"] == last)


def nothing_is_lost(players):
    """Everybody has heard everything that was said since the second came, once and in its order; and nobody was told that
    something may be missing."""
    for player in players:
        heard = player.heard()
        for other in players:
            if heard.get(other.number()) != other.said:
                raise Red(f"{player.name} has heard of {other.name}: {heard.get(other.number())}")
        bad = [event for event in player.events if event["event"] in ("continuity_lost", "resynced", "closed")]
        if bad:
            raise Red(f"{player.name} was told {bad}")


def only_the_relay_is_used(players):
    for player in players:
        paths = [event for event in player.events if event["event"] == "path" and event["state"] == "usable"]
        delivered = player.stats()["delivered_by"]
        if any(event["path"] != "relay" for event in paths) or delivered["srtp"] or delivered["sctp"]:
            raise Red(f"{player.name} has another path: {paths} {delivered}")


def rebind(stage):
    stage.net("remap", "natA")


def pull(stage):
    stage.net("pull", "hostA")
    time.sleep(5)
    stage.net("plug", "hostA")


def restart(stage):
    stage.restart_coturn()


def roam(stage):
    stage.net("move", "hostA", "10.0.1.77")


CASES = [
    Case("port/port: directly", ("port", "port")),
    Case("address/symmetric: directly", ("addr", "symmetric")),
    Case("symmetric/symmetric: TURN", ("symmetric", "symmetric"), turn=True),
    Case("UDP blocked: TURN over TCP", ("udpblock", "port"), STUN + TURN + TURN_TCP, turn=True),
    Case("UDP blocked on both sides: TURN over TCP", ("udpblock", "udpblock"), STUN + TURN + TURN_TCP, turn=True),
    Case("only 443 open: TURN over TLS", ("tls443", "port"), turn=True),
    Case("no UDP and no TURN: the relay", ("udpblock", "udpblock"), [], path="relay"),
    Case("players know what the lobby server tells them: TURN", ("symmetric", "symmetric"), [], turn=True,
         serve=STUN + TURN + ["--turn-secret-env", "TURN_SECRET"]),
    Case("players who go over TURN alone are told where it is", ("port", "port"), ["--mode", "turn"], turn=True,
         serve=STUN + TURN + ["--turn-secret-env", "TURN_SECRET"]),
    Case("players know what the lobby server tells them: directly", ("port", "port"), [], serve=STUN),
    Case("a NAT rebinds below a direct path", ("symmetric", "fullcone"), trouble=rebind),
    Case("a NAT rebinds below TURN", ("symmetric", "symmetric"), turn=True, trouble=rebind),
    Case("coturn begins anew below TURN by UDP", ("symmetric", "symmetric"), STUN + TURN, turn=True, trouble=restart),
    Case("a cable is pulled for 5 s", ("port", "port"), trouble=pull),
    Case("a host moves to another address", ("port", "port"), trouble=roam),
    Case("a host behind TURN moves to another address", ("tls443", "symmetric"), turn=True, trouble=roam),
]

# What the checks must find.
CANARIES = [
    Case("coturn with another secret", ("symmetric", "symmetric"), turn=True, secret="of somebody else", patience=12),
    Case("symmetric/symmetric, taken for direct", ("symmetric", "symmetric"), patience=12),
]


def main():
    program, *words = sys.argv[1:]
    is_canary = "--canary" in words
    words = [word for word in words if word != "--canary"]
    cases = [case for case in (CANARIES if is_canary else CASES) if all(word in case.name for word in words)]
    failed = 0
    for number, case in enumerate(cases):
        began = time.monotonic()
        try:
            took = case.play(program, number)
            since = "the talk in trouble" if case.trouble else "both had come"
            print(f"ok   {case.name}: the way is there {took:.1f} s after {since}, nothing lost, "
                  f"{time.monotonic() - began:.0f} s in all", flush=True)
        except Red as why:
            failed += 1
            why = str(why).splitlines()[0] if is_canary else why
            print(f"RED  {case.name}: {why}", flush=True)
        except Exception:
            traceback.print_exc()
            sys.exit(3)
    if is_canary:
        print(f"{failed} of {len(cases)} canaries are red, as all of them must be")
        sys.exit(1 if failed == len(cases) else 0)
    print(f"{len(cases) - failed} of {len(cases)} cases hold")
    sys.exit(1 if failed or not cases else 0)


main()
