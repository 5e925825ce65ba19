/* see.js - the view of what runs: server, tuners, viewers and the log, as long as it is shown. */
import { ask, get } from "./api.js";
import { chart, History } from "./chart.js";
import { bits, button, bytes, count, make, makeLines, repeat, retext, say, since, span } from "./dom.js";
import { listen } from "./events.js";
import { Rows } from "./rows.js";

const LOOK_MS = 2000, REST_MS = 1000, LOG_EVERY = 3, VIEWERS_EVERY = 3, LOG_LINES = 200;
const PROTOCOLS = { ts: "TS", mp4: "MP4", ws: "WebSocket", hls: "HLS", dash: "DASH", rtsp: "RTSP",
	audio: "Sound" };
const history = new History();
let parts = null, timer = 0, turn = 0, looked = 0, unlisten = null, names = new Map(), viewers = [];

const nameOf = (id) => names.get(id) || `Channel ${id}`;

/* Does what may fail, and says so. */
async function attempt(what, done) {
	try {
		await what();
		say(done);
	} catch (e) {
		say(e.message);
	}
	soon();
}

/* ---------- the server ---------- */

function makeFact() {
	const name = make("dt.soft"), value = make("dd");
	return { element: make("div.fact", {}, name, value), show([title, text, kind = ""]) {
		retext(name, title);
		retext(value, text);
		value.className = kind;
	} };
}

function showStatus(s) {
	const lost = s.workers.filter((w) => w.state !== "ready").length;
	history.add("server", s.throughput_bps);
	parts.throughput.draw(history.get("server"));
	parts.viewerCount.textContent = count(s.viewers, "viewer");
	parts.showFacts([
		["Throughput", bits(s.throughput_bps)],
		["Viewers", s.viewers.toLocaleString()],
		["Tuners", s.tuners.toLocaleString()],
		["Channels", s.channels.toLocaleString()],
		["Workers", lost ? `${s.workers.length - lost} of ${s.workers.length}` :
			String(s.workers.length), lost ? "bad" : ""],
		["Worker restarts", String(s.worker_restarts), s.worker_restarts ? "warn" : ""],
		["Database", s.database, s.database === "ok" ? "" : "bad"],
		["Up for", span(s.uptime_seconds)],
		["Version", s.version]]);
}

/* ---------- tuners ---------- */

const STATES = { running: "good", failed: "bad" };

/* What `amps why` says. */
async function explain(path, list) {
	try {
		const { now, last_hour: hour } = await get(`/api/why/${path}`);
		list.replaceChildren(...[...now, ...hour].map((text) => make("li", { textContent: text })));
	} catch (e) {
		list.replaceChildren(make("li", { textContent: e.message }));
	}
}

/* A card of one tuner; update(tuner) changes what it says, state() and name() what an event tells. */
function tunerCard(key) {
	const title = make("h3", { dir: "auto" }), state = make("span.badge"), source = make("p.soft");
	const numbers = make("p"), error = make("p.bad"), trouble = make("p.warn"), sample = chart("Bitrate since this page was opened");
	const path = key.split("/").map(encodeURIComponent).join("/"), words = make("ul");
	const why = make("details", { ontoggle: () => why.open && explain(path, words) },
		make("summary", { textContent: "What is wrong?" }), words);
	const stop = button("Stop", () => attempt(
		() => ask("DELETE", `/api/tuners/${path}`),
		`Tuner ${key} was stopped.`), { class: "small", "aria-label": `Stop tuner ${key}` });
	const watch = make("a.button.small", { textContent: "Watch", href: `/watch/${key.split("/")[0]}` });
	const card = make("li.card", {}, make("div.row", {}, title, state), source, sample.svg, numbers, trouble, error, why,
		make("div.row", {}, watch, stop));
	let channel = 0;
	const name = (id) => {
		if (id === channel)
			title.textContent = `${nameOf(id)} (${key})`;
	};
	const showState = (text, reason) => {
		state.textContent = text;
		state.className = `badge ${STATES[text] || "warn"}`;
		error.textContent = reason || "";
		error.hidden = !reason;
	};
	return { card, name, state: showState, update(t) {
		const cpu = history.get("cpu " + key), now = performance.now() / 1000;
		const last = cpu[cpu.length - 1];
		history.add("cpu " + key, [now, t.cpu_seconds]);
		history.add(key, t.bitrate_in);
		sample.draw(history.get(key));
		channel = t.stream_id;
		name(channel);
		showState(t.state, t.last_error);
		source.textContent = t.source;
		const load = last && t.cpu_seconds >= last[1] && now > last[0] ?
			`${(100 * (t.cpu_seconds - last[1]) / (now - last[0])).toFixed(0)}% CPU` : null;
		const sources = !t.source_number ? "slate" : t.sources > 1
			? `source ${t.source_number} of ${t.sources}` : null;
		/* what is zero in a healthy channel is left out */
		const troubles = [[t.switches, "switch", "switches"], [t.restarts_crashed, "crash", "crashes"],
			[t.restarts_failed, "failure"], [t.restarts_silent, "silence"],
			[t.restarts_slow, "slow source"],
			[t.restarts_content, "source without content", "sources without content"], [t.cc_errors, "CC error"],
			[t.clock_jumps, "jump of the clock", "jumps of the clock"],
			[t.frames_dropped, "picture left out", "pictures left out"],
			[t.pair_lost, "packet lost on both legs", "packets lost on both legs"]]
			.filter(([n]) => n).map(([n, ...words]) => count(n, ...words));
		trouble.textContent = troubles.join(" · ");
		trouble.hidden = !troubles.length;
		numbers.textContent = [sources, `in ${bits(t.bitrate_in)}`, `out ${bits(t.bitrate_out)}`,
			count(t.viewers, "viewer"), count(t.restarts, "restart"), load,
			t.encoder_speed ? `encoder ${t.encoder_speed.toFixed(1)}×` : null, bytes(t.memory_bytes), t.first_media_ms ? `first media after ${t.first_media_ms} ms` : null,
			`up for ${span(t.uptime_seconds)}`].filter(Boolean).join(" · ");
	} };
}

function showTuners(tuners) {
	const keys = new Set(tuners.map((t) => t.key));
	for (const [key, { card }] of parts.cards)
		if (!keys.has(key)) {
			card.remove();
			parts.cards.delete(key);
		}
	history.keep(new Set(["server", ...keys, ...[...keys].map((k) => "cpu " + k)]));
	for (const t of tuners) {
		if (!parts.cards.has(t.key)) {
			const made = tunerCard(t.key);
			parts.cards.set(t.key, made);
			parts.tuners.append(made.card);
		}
		parts.cards.get(t.key).update(t);
	}
	parts.noTuners.hidden = tuners.length > 0;
}

/* ---------- viewers ---------- */

function makeViewer() {
	const client = makeLines(), channel = makeLines();
	const kick = button("Kick", () => attempt(() => ask("DELETE", `/api/viewers/${v.id}`),
		`The viewer at ${v.address} was ended.`), { class: "small" });
	let v = null;
	return { element: make("li.line", {}, client.element, channel.element, kick), show(viewer) {
		v = viewer;
		client.show(v.address, [v.user_agent]);
		channel.show(nameOf(v.stream_id), [v.variant, PROTOCOLS[v.protocol] || v.protocol,
			`for ${since(v.since)}`, bytes(v.bytes),
			v.lag_bytes ? `${bytes(v.lag_bytes)} behind` : null,
			v.rtt_ms ? `round trip ${v.rtt_ms.toFixed(0)} ms` : null,
			v.skips ? count(v.skips, "skip") : null]);
		kick.ariaLabel = `Kick the viewer at ${v.address} of ${nameOf(v.stream_id)}`;
	} };
}

function showViewers(all) {
	viewers = all;
	const text = parts.viewerSearch.value.trim().toLowerCase();
	parts.viewers.items = text ? viewers.filter((v) => [v.address, v.user_agent, v.protocol,
		nameOf(v.stream_id)].join(" ").toLowerCase().includes(text)) : viewers;
}

/* ---------- the log ---------- */

async function showLog() {
	const words = new URLSearchParams({ limit: LOG_LINES, q: parts.logSearch.value.trim(),
		level: parts.logLevel.value });
	const lines = await get(`/api/log?${words}`), own = parts;
	const log = own?.log;
	const newest = JSON.stringify(lines[lines.length - 1]);
	if (!log || (log.dataset.newest === newest && log.childElementCount === lines.length))
		return;
	const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
	log.dataset.newest = newest;
	log.replaceChildren(...lines.map((l) => make("li", { class: { warning: "warn", error: "bad" }[l.level],
		textContent: l.line })));
	if (follows)
		log.scrollTop = log.scrollHeight;
}

/* ---------- the view ---------- */

/* The viewers are asked for while their list is in view: when it has come into view or some have
 * started, and now and then for their figures. */
async function lookAtViewers() {
	const own = parts;
	if (!own.viewersInView || (!own.viewersNew && turn % VIEWERS_EVERY))
		return;
	own.viewersNew = false;
	const all = await get("/api/viewers");
	if (parts === own)
		showViewers(all);
}

/* Takes a sample of the figures, which no event has. */
async function look() {
	const own = parts;
	clearTimeout(timer);
	looked = performance.now();
	if (!document.hidden)
		try {
			const [status, tuners] = await Promise.all(["/api/status", "/api/tuners"].map(get));
			if (parts !== own)
				return;
			showStatus(status);
			showTuners(tuners);
			await lookAtViewers();
			if (parts === own && turn++ % LOG_EVERY === 0)
				await showLog();
		} catch (e) {
			say(e.message);
		}
	if (parts !== own)
		return;
	clearTimeout(timer);
	timer = setTimeout(look, LOOK_MS);
}

/* Takes the next sample sooner. */
function soon() {
	clearTimeout(timer);
	timer = setTimeout(look, Math.max(0, looked + REST_MS - performance.now()));
}

async function learnNames() {
	const all = await get("/api/streams?variants=false");
	names = new Map(all.map((c) => [c.id, c.name]));
}

function onEvent(kind, data) {
	if (kind === "channel" && data.action !== "removed") {
		names.set(data.id, data.name);
		for (const card of parts.cards.values())
			card.name(data.id);
		parts.viewers.redraw();
	} else if (kind === "tuner") {
		const card = parts.cards.get(data.key);
		if (card)
			card.state(data.state, data.error);
		else
			soon();
	} else if (kind === "viewer" && data.action === "started") {
		parts.viewersNew = true;
	} else if (kind === "viewer") {
		const left = viewers.filter((v) => v.id !== data.id);
		if (left.length < viewers.length)
			showViewers(left);
	} else if (kind === "warning") {
		parts.warnings.append(make("li", { textContent: data.message }));
		while (parts.warnings.childElementCount > 20)
			parts.warnings.firstElementChild.remove();
		turn = 0;
	}
}

export function show(place) {
	if (parts)
		return;
	const rows = make("ul.lines", { "aria-label": "Viewers" }), facts = make("dl.facts-list");
	const throughput = chart("Throughput"), section = make("div.below");
	parts = {
		throughput,
		showFacts: repeat(facts, makeFact),
		warnings: make("ul.warn", { "aria-label": "Warnings" }),
		tuners: make("ul.cards"),
		noTuners: make("p.soft", { textContent: "No tuner is running: there are no viewers." }),
		viewerCount: make("p.soft"),
		viewerSearch: make("input", { type: "search", placeholder: "Search viewers",
			"aria-label": "Search viewers", oninput: () => showViewers(viewers) }),
		logSearch: make("input", { type: "search", placeholder: "Search the log",
			"aria-label": "Search the log", oninput: () => showLog().catch(() => {}) }),
		logLevel: make("select", { "aria-label": "Level", onchange: () => showLog().catch(() => {}) },
			...[["info", "All lines"], ["warning", "Warnings and errors"], ["error", "Errors"]]
				.map(([value, text]) => new Option(text, value))),
		log: make("ol.log", { tabindex: "0", "aria-label": "The last lines of the log" }),
		cards: new Map(),
	};
	section.append(make("h2", { textContent: "Viewers" }),
		make("div.row.tools", {}, parts.viewerSearch, parts.viewerCount), rows);
	place.append(
		make("h2", { textContent: "Server" }), make("div.card", {}, facts, throughput.svg),
		parts.warnings,
		make("h2", { textContent: "Tuners" }), parts.noTuners, parts.tuners,
		make("h2", { textContent: "Log" }), make("div.row.tools", {}, parts.logSearch, parts.logLevel),
		parts.log,
		section);
	parts.viewers = new Rows(rows, makeViewer);
	/* the line of the search stands above the list, which may be empty */
	parts.observer = new IntersectionObserver((seen) => {
		const inView = seen.at(-1).isIntersecting;
		parts.viewersInView = parts.viewersNew = inView;
		if (inView)
			soon();
	});
	parts.observer.observe(section);
	turn = 0;
	unlisten = listen(onEvent);
	learnNames().catch(() => {}).then(look);
}

export function hide() {
	clearTimeout(timer);
	unlisten?.();
	parts?.observer.disconnect();
	parts = null;
}
