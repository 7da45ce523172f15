// A player on headless Chromium. node chromium_peer.js URL LOBBY

const { mkdtemp, rm } = require("node:fs/promises");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium-headless-shell";
const FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-loopback-in-peer-connection",
];

// What the page does.
const sit = async ([url, lobby]) => {
    const make = ({ signal, tell, onClosed }) => {
        const connection = new RTCPeerConnection();
        let channel;
        const take = (taken) => {
            channel = taken;
            channel.binaryType = "arraybuffer";
            channel.onmessage = ({ data }) => {
                tell({ event: "message", bytes: data.byteLength });
                channel.send(data);
            };
            channel.onclose = onClosed;
        };
        const describe = async () => {
            await connection.setLocalDescription();
            const { type, sdp } = connection.localDescription;
            signal({ type, sdp });
        };
        connection.ondatachannel = (event) => take(event.channel);
        connection.onicecandidate = ({ candidate }) => {
            if (candidate?.candidate) signal({ type: "ice_candidate", candidate: candidate.toJSON() });
        };
        return {
            offer: async () => {
                take(connection.createDataChannel("webstar", { ordered: false, maxRetransmits: 0 }));
                await describe();
            },
            hear: async (heard) => {
                if (heard.type === "ice_candidate") return connection.addIceCandidate(heard.candidate);
                await connection.setRemoteDescription(heard);
                if (heard.type === "offer") await describe();
            },
            close: () => connection.close(),
        };
    };
    await takeSeat({ socket: new WebSocket(url), lobby, username: "chromium", tell: window.tell, make });
};

const main = async (url, lobby) => {
    const folder = await mkdtemp(path.join(tmpdir(), "webstar-chromium-"));
    const browser = await chromium.launchPersistentContext(folder, { executablePath: PROGRAM, args: FLAGS });
    try {
        // Without them it finds no address where there is no way to the outside.
        await browser.grantPermissions(["microphone", "camera"]);
        const page = await browser.newPage();
        page.on("pageerror", (error) => console.error(error));
        await page.exposeFunction("tell", (line) => console.log(JSON.stringify(line)));
        await page.addScriptTag({ path: path.join(__dirname, "seat.js") });
        await page.evaluate(sit, [url, lobby]);
    } finally {
        await browser.close();
        await rm(folder, { recursive: true, force: true });
    }
};

main(...process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
