# A guest written in Godot 3 with nothing but its own WebSocketClient and the documented JSON.
# godot3-server --path . -s guest.gd -- URL LOBBY NAME
# Prints what it receives, one JSON object a line. It greets all, echoes what is sent to it alone, and leaves when
# somebody tells it to.
extends SceneTree

var client = WebSocketClient.new()
var lobby = ""
var username = ""

func _init():
	var arguments = Array(OS.get_cmdline_args())
	var given = arguments.slice(arguments.size() - 3, arguments.size() - 1)
	lobby = given[1]
	username = given[2]
	client.connect("connection_established", self, "_on_open")
	client.connect("data_received", self, "_on_data")
	client.connect("connection_closed", self, "_on_closed")
	client.connect("connection_error", self, "_on_closed")
	if client.connect_to_url(given[0]) != OK:
		quit(1)

func _idle(_delta):
	client.poll()

func say(message):
	client.get_peer(1).put_packet(to_json(message).to_utf8())

func _on_open(_protocol):
	client.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_TEXT)
	say({"type": "join_lobby", "lobby_id": lobby, "username": username})

func _on_data():
	var text = client.get_peer(1).get_packet().get_string_from_utf8()
	print(text)
	var message = JSON.parse(text).result
	if message["type"] == "lobby_joined":
		say({"type": "broadcast_data", "data": "greetings from godot"})
	elif message["type"] == "relay_data" and str(message["data"]) == "leave":
		say({"type": "leave_lobby"})
	elif message["type"] == "relay_data":
		say({"type": "relay_data", "to_player": int(message["from_player"]), "data": "echo: " + str(message["data"])})
	elif message["type"] == "lobby_left":
		client.disconnect_from_host()

func _on_closed(_was_clean = false):
	quit()
