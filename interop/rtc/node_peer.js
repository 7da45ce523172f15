// A player on node-datachannel (libdatachannel). node node_peer.js URL LOBBY

const rtc = require("node-datachannel");
const WebSocket = require("ws");
require("./seat.js");

const CHANNEL = { unordered: true, maxRetransmits: 0 };
const tell = (line) => console.log(JSON.stringify(line));

const make = ({ signal, tell, onClosed }) => {
    const connection = new rtc.PeerConnection("native", { iceServers: [] });
    let channel;
    const take = (taken) => {
        channel = taken;
        channel.onMessage((message) => {
            tell({ event: "message", bytes: message.length });
            channel.sendMessageBinary(message);
        });
        channel.onClosed(onClosed);
    };
    // It agrees to any section of media, and nobody takes packets from it here. Port 0 rejects it.
    connection.onLocalDescription((sdp, type) => signal({ type, sdp: sdp.replace(/^m=audio \d+/m, "m=audio 0") }));
    connection.onLocalCandidate((candidate, sdpMid) => {
        signal({ type: "ice_candidate", candidate: { candidate, sdpMid } });
    });
    connection.onDataChannel(take);
    return {
        offer: () => take(connection.createDataChannel("webstar", CHANNEL)),
        hear: ({ type, sdp, candidate }) => {
            if (type === "ice_candidate") connection.addRemoteCandidate(candidate.candidate, candidate.sdpMid ?? "0");
            else connection.setRemoteDescription(sdp, type);
        },
        close: () => connection.close(),
    };
};

const [url, lobby] = process.argv.slice(2);
globalThis.takeSeat({ socket: new WebSocket(url), lobby, username: "node", tell, make }).then(
    () => process.exit(0),
    (error) => {
        console.error(error);
        process.exit(1);
    },
);
