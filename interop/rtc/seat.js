// A player's seat at the lobby server, for every stack that JavaScript drives: joins in the documented JSON, brings
// signals to and from the stack, closes when it is asked to, and leaves when it is closed.
//
// A stack is made with `make({ signal, tell, onClosed })` and has offer(), hear(signal) and close().

globalThis.takeSeat = ({ socket, lobby, username, tell, make }) => new Promise((resolve, reject) => {
    let me = 0;
    let other = 0;
    const say = (message) => socket.send(JSON.stringify(message));
    const stack = make({
        tell,
        signal: (signal) => say({ type: "webrtc_signal", to_player: other, signal }),
        onClosed: () => {
            tell({ event: "closed" });
            say({ type: "leave_lobby" });
        },
    });
    const on = {
        lobby_joined({ player_id, player_list }) {
            me = player_id;
            tell({ event: "joined", player: me });
            const others = player_list.map((player) => player.player_id).filter((player) => player !== me);
            // Who came later offers.
            if (others.length > 0) {
                other = others[0];
                return stack.offer();
            }
        },
        webrtc_signal({ from_player, signal }) {
            other = from_player;
            return stack.hear(signal);
        },
        relay_data({ data }) {
            if (data === "close") stack.close();
        },
        lobby_left() {
            socket.close();
            resolve();
        },
        error(message) {
            throw new Error(`the server refuses: ${JSON.stringify(message)}`);
        },
    };
    socket.onopen = () => {
        // A player without a key: it has a part in signalling, and none in the star.
        say({ type: "hello", versions: [2] });
        say({ type: "join_lobby", lobby_id: lobby, username, create: {} });
    };
    socket.onerror = () => reject(new Error("the WebSocket is broken"));
    // One after the other: a candidate must not overtake its description.
    let turn = Promise.resolve();
    socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        turn = turn.then(() => on[message.type]?.(message)).catch(reject);
    };
});
