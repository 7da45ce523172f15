"""What a case plays on: a network, a lobby server, coturn, and players, all of them real processes. A stage is taken down
with everything on it when it is left."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
# Where the lobby server, STUN and TURN are.
PUBLIC = "198.51.100.10"
# One that strict firewalls let through as well.
LOBBY_PORT = 80
SECRET = "of the lab"
# Longer than anything takes on a machine that is busy with other things.
PATIENCE = 40


class Red(Exception):
    """A check that failed."""


def certificate(folder):
    """A certificate for PUBLIC that vouches for itself, and its key."""
    (folder / "request").write_text(
        "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n[name]\nCN = turn.lab\n"
        f"[more]\nsubjectAltName = IP:{PUBLIC}\nbasicConstraints = CA:FALSE\n"
    )
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -config request -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


class Stage:
    """A network of two NATs of these kinds, with the lobby server `webstar serve` on it."""

    def __init__(self, webstar, number, nats, serve=(), environment=()):
        self.webstar = webstar
        self.names = f"webstar{os.getpid()}x{number}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="webstar-lab-"))
        self.programs = []
        self.players = []
        try:
            self.net("up", *nats)
            listen = f"{PUBLIC}:{LOBBY_PORT}"
            command = [webstar, "serve", "--listen", listen, "--shards", "1", "--json", *serve]
            self.server = self.start("pub", "serve", command, dict(environment))
            if "listening" not in self.server.stdout.readline():
                raise RuntimeError(f"the lobby server does not start: {self.log('serve')}")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
            program.wait()
        self.net("down")
        shutil.rmtree(self.folder)

    def net(self, *command):
        """A command of natlab.sh."""
        environment = {**os.environ, "NATLAB_ID": self.names}
        subprocess.run([HERE / "natlab.sh", *command], env=environment, check=True)

    def start(self, node, name, command, environment):
        """A program on a node. What it says to stderr is kept."""
        log = open(self.folder / f"{name}.log", "w")
        program = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.names}-{node}", *command],
            env={**os.environ, **environment},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.programs.append(program)
        return program

    def log(self, name):
        """The last that a program has said to stderr."""
        return "".join((self.folder / f"{name}.log").read_text().splitlines(keepends=True)[-15:])

    def coturn(self, secret=SECRET):
        """STUN and TURN: UDP and TCP on 3478, TLS on 443. Users are those that know the secret."""
        certificate(self.folder)
        command = "turnserver -n --no-cli --no-dtls --realm=lab --use-auth-secret --log-file=stdout --simple-log"
        command += f" --listening-ip={PUBLIC} --relay-ip={PUBLIC} --listening-port=3478 --tls-listening-port=443"
        command += " --cert=cert.pem --pkey=key.pem --pidfile=coturn.pid --userdb=coturn.db"
        program = self.start("pub", "coturn", [*command.split(), f"--static-auth-secret={secret}"], {})
        threading.Thread(target=program.stdout.read, daemon=True).start()
        # It listens when a stream to it opens.
        probe = f"import socket; socket.create_connection(('{PUBLIC}', 443), 1)"
        until = time.monotonic() + PATIENCE
        while subprocess.run([HERE / "natlab.sh", "exec", "pub", "python3", "-c", probe],
                             env={**os.environ, "NATLAB_ID": self.names}, capture_output=True).returncode:
            if program.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"coturn does not start: {self.log('coturn')}")
            time.sleep(0.1)

    def restart_coturn(self):
        """It dies with everything that it has lent, and another is in its place."""
        for program in self.programs:
            if "turnserver" in program.args:
                program.kill()
                program.wait()
        time.sleep(2)
        self.coturn()

    def join(self, node, name, flags):
        """One more player, once it is in the lobby."""
        player = Player(self, node, name, flags)
        self.players.append(player)
        player.wait("joined", lambda event: event["event"] == "joined")
        return player


class Player:
    """`webstar join --json` on a node."""

    def __init__(self, stage, node, name, flags):
        self.stage, self.name = stage, name
        user = f"{int(time.time()) + 3600}:{name}"
        password = base64.b64encode(hmac.digest(SECRET.encode(), user.encode(), hashlib.sha1)).decode()
        own = [stage.webstar, "join", f"webstar://{PUBLIC}:{LOBBY_PORT}/room", "--create", "--json", "--name", name]
        known = ["--turn-user", user, "--turn-password-env", "TURN_PASSWORD"] if "--turn" in flags else []
        environment = {"TURN_PASSWORD": password}
        self.program = stage.start(node, name, [*own, *known, *flags], environment)
        self.events = []
        self.news = threading.Condition()
        # What it has said, and how many of its lines have been told as sent.
        self.said = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.program.stdout:
            with self.news:
                self.events.append(json.loads(line))
                self.news.notify_all()
        with self.news:
            self.news.notify_all()

    def write(self, line):
        try:
            self.program.stdin.write(line + "\n")
            self.program.stdin.flush()
        except BrokenPipeError:
            raise Red(f"{self.name} has ended; {self.stage.log(self.name)}") from None

    def say(self, text):
        """To all, itself included, in the order that is the same for all."""
        self.said.append(text)
        self.write(text)

    def wait(self, what, wanted, since=0, patience=PATIENCE):
        """The first event from number `since` on that is wanted, and the number of the next."""
        until = time.monotonic() + patience
        at = since
        with self.news:
            while True:
                while at < len(self.events):
                    at += 1
                    if wanted(self.events[at - 1]):
                        return self.events[at - 1], at
                left = until - time.monotonic()
                if left <= 0 or self.program.poll() is not None:
                    break
                self.news.wait(left)
        paths = [event for event in self.events if event["event"] in ("path", "error", "host_changed")]
        tail = "\n".join(map(json.dumps, paths[-12:]))
        raise Red(f"{self.name}: no {what} within {patience} s\n{tail}\n{self.stage.log(self.name)}")

    def heard(self):
        """What it has heard of each player, in its order."""
        texts = {}
        for event in list(self.events):
            if event["event"] == "message":
                texts.setdefault(event["from"], []).append(event["data"])
        return texts

    def number(self):
        """Who it is in the lobby."""
        return next(event["player"] for event in self.events if event["event"] == "joined")

    def stats(self):
        """The newest figures."""
        since = len(self.events)
        self.write("/stats")
        return self.wait("stats", lambda event: event["event"] == "stats", since)[0]
