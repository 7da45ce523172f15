"use strict";
// The page of a lobby server: asks it for its numbers every two seconds, and draws them. What players have chosen (names of
// public lobbies) becomes text, never markup.

const EVERY = 2000;
const PATIENCE = 5000;
/** Points of a whole line, ten minutes, and those that a young server's line is drawn with at least. */
const POINTS = 120;
const FEW = 24;

const $ = (id) => document.getElementById(id);
const node = (tag, props, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};
const drawn = (tag, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const count = (n) => (n < 100_000 ? whole.format(Math.round(n)) : short.format(n));
const many = (n, one, several) => `${count(n)} ${n === 1 ? one : several}`;
const bytes = (n) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) { n /= 1000; at += 1; }
  return [at && n < 100 ? n.toFixed(1) : Math.round(n).toString(), units[at]];
};
const lasted = (seconds) => {
  const parts = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => seconds >= size);
  if (first < 0) return "a moment";
  const told = parts.slice(first, first + 2).map(([size, unit]) => {
    const n = Math.floor(seconds / size);
    seconds -= n * size;
    return n ? `${n} ${unit}` : "";
  });
  return told.filter(Boolean).join(" ");
};

const put = (place, selector, text) => {
  const found = $(place).querySelector(selector);
  if (found.textContent !== text) found.textContent = text;
};
const figure = (place, number, unit) => {
  $(place).querySelector(".big").replaceChildren(number, ...(unit ? [node("small", { textContent: unit })] : []));
};

/** The chart of a card, made at first. */
const chart = (place, before) => {
  const card = $(place);
  let made = card.querySelector(".chart");
  if (!made) {
    made = drawn("svg", { class: "chart", viewBox: "0 0 120 40", preserveAspectRatio: "none", "aria-hidden": "true" });
    card.insertBefore(made, before ? card.querySelector(before) : null);
  }
  return made;
};
const curve = (place, line, before, most = line) => {
  const top = Math.max(...most, 1e-9) * 1.15;
  const step = 120 / (Math.max(line.length, FEW) - 1);
  const at = (value, i) => `${(120 - (line.length - 1 - i) * step).toFixed(2)} ${(39 - (value / top) * 37).toFixed(2)}`;
  const points = line.map(at);
  if (points.length < 2) return chart(place, before).replaceChildren(drawn("path", { class: "pen young", d: "M0 39L120 39" }));
  const [first] = points[0].split(" ");
  chart(place, before).replaceChildren(
    drawn("path", { class: "area", d: `M${first} 40L${points.join("L")}L120 40Z` }),
    drawn("path", { class: "pen", d: `M${points.join("L")}` }));
};
const bars = (place, line, before) => {
  // Four points a bar: a bar for each third of a minute is wide enough to be seen.
  const groups = [];
  for (let end = line.length; end > 0; end -= 4) {
    groups.push(line.slice(Math.max(0, end - 4), end).reduce((sum, value) => sum + value, 0));
  }
  const top = Math.max(...groups, 1);
  const bar = (value, i) => drawn("rect", {
    class: "bar", x: 120 - (i + 1) * 4 + 0.4, width: 3.2,
    y: value ? 40 - Math.max(2, (value / top) * 40) : 39.2, height: value ? Math.max(2, (value / top) * 40) : 0.8,
    opacity: value ? 1 : 0.35,
  });
  chart(place, before).replaceChildren(...Array.from({ length: POINTS / 4 }, (_, i) => bar(groups[i] ?? 0, i)));
};

const CAUSES = {
  crash_silent: "fell silent", crash_closed: "lost its connection", graceful: "handed over", chosen: "named its successor",
  forced: "named by the server", voted: "voted out",
};

/** A lobby as a star: the host in the middle, players around, free places empty. */
const star = ({ players, max_players: most }) => {
  const around = Math.max(most - 1, 1);
  const size = around > 24 ? 2.4 : around > 12 ? 3.4 : 5;
  const place = (i) => {
    const angle = (i / around) * 2 * Math.PI - Math.PI / 2;
    return [50 + 41 * Math.cos(angle), 50 + 41 * Math.sin(angle)].map((n) => n.toFixed(2));
  };
  // Spread over the circle, so that few players are a star too.
  const taken = new Set(Array.from({ length: Math.max(players - 1, 0) }, (_, i) => Math.floor((i * around) / Math.max(players - 1, 1))));
  const spots = Array.from({ length: around }, (_, i) => [place(i), taken.has(i)]);
  const rays = spots.filter(([, on]) => on).map(([[x, y]]) => `M50 50L${x} ${y}`).join("");
  return drawn("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" },
    drawn("path", { d: rays || "M50 50" }),
    ...spots.map(([[cx, cy], on]) => drawn("circle", { cx, cy, r: on ? size : size * 0.7, class: on ? "" : "free" })),
    ...(players ? [drawn("circle", { cx: 50, cy: 50, r: 13, class: "ring" }), drawn("circle", { cx: 50, cy: 50, r: 8, class: "host" })] : []));
};
const lobby = (told) => node("li", { className: "card" },
  star(told),
  node("p", { className: "name", textContent: told.lobby_id }),
  node("p", { className: "note", textContent: `${told.players} of ${told.max_players}` }),
  ...(told.started ? [node("span", { className: "tag on", textContent: "playing" })] : []),
  ...(told.has_password ? [node("span", { className: "tag", textContent: "password" })] : []));

const show = (status, trend, listed) => {
  const last = (name) => trend[name].at(-1) ?? 0;
  const sum = (name) => trend[name].reduce((all, value) => all + value, 0);
  const peak = (name) => Math.max(...trend[name], 0);

  figure("players", count(status.players));
  put("players", ".note", `at most ${count(Math.max(peak("players"), status.players))} in ten minutes`);
  figure("lobbies", count(status.lobbies));
  put("lobbies", ".note", status.lobbies ? `${(status.players / status.lobbies).toFixed(1)} players in each` : "nobody plays");
  figure("relayed", count(last("relayed_per_s")), "/s");
  put("relayed", ".note", `${count(status.relayed)} so far`);
  const [out, unit] = bytes(last("bytes_out_per_s"));
  figure("traffic", out, `${unit}/s`);
  put("traffic", ".note", `in: ${bytes(last("bytes_in_per_s")).join(" ")}/s`);
  curve("players", trend.players);
  curve("lobbies", trend.lobbies);
  curve("relayed", trend.relayed_per_s);
  curve("traffic", trend.bytes_out_per_s);

  const relaying = Math.min(last("relaying"), status.players);
  const direct = status.players - relaying;
  const split = $("paths").querySelector(".split");
  split.setAttribute("aria-label", `${relaying} through this server, ${direct} directly or resting`);
  [relaying, direct].forEach((n, i) => { split.children[i].style.flexGrow = n; });
  curve("paths", trend.relaying, "dl", trend.players);
  put("paths", "[data-of=relaying]", count(relaying));
  put("paths", "[data-of=direct]", count(direct));
  put("paths", "[data-of=signals]", count(sum("signals")));
  put("paths", "[data-of=queued]", bytes(status.queued_bytes).join(" "));

  figure("hosts", count(status.host_changes));
  put("hosts", ".note", status.host_changes ? `${count(sum("host_changes"))} in the last ten minutes` : "no host was lost, and none has gone");
  bars("hosts", trend.host_changes, "dl");
  const causes = Object.entries(status.host_changes_by).sort(([, a], [, b]) => b - a);
  $("hosts").querySelector("dl").replaceChildren(...causes.map(([cause, n]) => node("div", {},
    node("dt", { textContent: CAUSES[cause] ?? cause }), node("dd", { textContent: count(n) }))));

  figure("coming", count(status.joins), "joins");
  put("coming", ".note", `${count(sum("joins"))} in the last ten minutes`);
  bars("coming", trend.joins, "dl");
  put("coming", "[data-of=resumes]", count(status.resumes));
  put("coming", "[data-of=connections]", count(status.connected_clients));
  put("coming", "[data-of=refused]", count(status.refused));
  put("coming", "[data-of=dropped]", count(status.dropped));

  const hidden = Math.max(status.lobbies - listed.length, 0);
  $("others").textContent = hidden ? `and ${many(hidden, "that is not listed", "that are not listed")}` : "";
  const nobody = node("li", { className: "card nobody", textContent: hidden ? "All lobbies are private." : "No lobby yet. Make the first one." });
  $("stars").replaceChildren(...(listed.length ? listed.map(lobby) : [nobody]));
  $("version").textContent = status.version;
  document.title = status.players ? `${count(status.players)} · WebStar` : "WebStar";
  tell(status.server_running ? "well" : "leaving",
    status.server_running ? `up ${lasted(status.uptime_s)}` : "shutting down");
};

const tell = (state, words) => {
  document.body.className = state;
  put("state", "span", words);
};

let heard = Date.now();
let next;
const look = async () => {
  clearTimeout(next);
  try {
    const [status, trend, { lobbies }] = await Promise.all(["./api/status", "./api/trend", "./api/lobbies"].map(async (path) => {
      const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      return answer.json();
    }));
    heard = Date.now();
    show(status, trend, lobbies);
  } catch (error) {
    console.warn(error);
    tell("lost", `no answer for ${lasted((Date.now() - heard) / 1000)}`);
  }
  // Nobody looks at a hidden page.
  if (!document.hidden) next = setTimeout(look, EVERY);
};
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

const scheme = location.protocol === "https:" ? "wss" : "ws";
$("join").textContent = `webstar join new --server ${scheme}://${location.host}${location.pathname.replace(/[^/]*$/, "")}ws`;
look();
