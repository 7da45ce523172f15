// The page of a lobby server in headless Chromium. node test_page.js WEBSTAR [FOLDER for pictures]

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { mkdtemp, rm } = require("node:fs/promises");
const { tmpdir } = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium-headless-shell";
const PATIENCE = 30_000;

const children = [];
const start = (program, args, env) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"], env: { ...process.env, ...env } });
    children.push(child);
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const until = async (event) => {
        for (;;) {
            const { value, done } = await lines.next();
            assert(!done, `${args[0]} ended before ${event}`);
            const told = JSON.parse(value);
            if (told.event === event) return told;
        }
    };
    return { child, until };
};

const main = async (webstar, pictures) => {
    const folder = await mkdtemp(path.join(tmpdir(), "webstar-page-"));
    const state = { XDG_STATE_HOME: folder };
    const server = start(webstar, ["serve", "--listen", "127.0.0.1:0", "--json"], state);
    const { addr, url } = await server.until("listening");
    const join = async (lobby, ...flags) => {
        const player = start(webstar, ["join", lobby, "--server", url, "--create", "--mode", "relay", "--json", ...flags]);
        await player.until("joined");
        return player;
    };
    const host = await join("market", "--public", "--max", "4");
    await join("market");
    await join("hideout");

    const browser = await chromium.launch({ executablePath: PROGRAM, args: ["--no-sandbox", "--disable-gpu"] });
    try {
        const page = await browser.newPage({ viewport: { width: 1180, height: 860 }, colorScheme: "light" });
        const complaints = [];
        page.on("pageerror", (error) => complaints.push(error.message));
        page.on("console", (line) => complaints.push(line.text()));
        const shows = (place, text) => page.waitForFunction(
            ([place, text]) => document.querySelector(place)?.textContent.includes(text), [place, text], { timeout: PATIENCE });
        const shot = (name) => pictures && page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
        const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

        await page.goto(`http://${addr}/`);
        await shows("#players .big", "3");
        await shows("#lobbies .big", "2");
        await shows("#stars .name", "market");
        await shows("#others", "and 1 that is not listed");
        await shows("#state", "up ");
        await shows("#join", `--server ${url}`);
        assert(!(await page.content()).includes("hideout"));
        assert.equal(await page.locator("#stars circle.host").count(), 1);
        // The host in the middle, one beside it, two places free.
        assert.equal(await page.locator("#stars circle.free").count(), 2);
        const light = await ground();
        // Lines are drawn from the third point on, after ten seconds at most.
        await page.waitForSelector("#players .chart .area", { state: "attached", timeout: PATIENCE });
        await shot("light");
        await page.emulateMedia({ colorScheme: "dark" });
        assert.notEqual(await ground(), light);
        await shot("dark");

        host.child.kill("SIGKILL");
        await shows("#hosts dl", "lost its connection");
        await shot("migrated");
        assert.deepEqual(complaints, []);

        // What anybody smuggles in is not run: the browser says which rule it broke.
        await page.addScriptTag({ content: "document.title = 'smuggled'" }).catch(() => {});
        await page.evaluate(() => { document.body.setAttribute("onclick", "document.title = 'smuggled'"); document.body.click(); })
            .catch(() => {});
        assert.notEqual(await page.title(), "smuggled");
        assert(complaints.length >= 2 && complaints.every((line) => /Content Security Policy|TrustedScript/.test(line)), `${complaints}`);

        server.child.kill("SIGKILL");
        await shows("#state", "no answer for");
        await shot("lost");
    } finally {
        await browser.close();
        await rm(folder, { recursive: true, force: true });
    }
    console.log("the page draws lobbies, players and a migration, in light and dark, and runs nothing but its own");
};

main(process.argv[2], process.argv[3])
    .catch((error) => { console.error(error); process.exitCode = 1; })
    .finally(() => children.forEach((child) => child.kill("SIGKILL")));
