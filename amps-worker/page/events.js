/* events.js - what happens on the server (/api/events), as long as somebody listens and looks.
 *
 * A browser has few connections to a server, so all listeners share one, and a hidden page has none;
 * when it is seen again, the server sends what it has missed. */
import { request } from "./api.js";

const RETRY_MS = 2000, SOON_MS = 300, REST_MS = 3000, NAMED_MOST = 200;
const listeners = new Set();
let control = null, last = "";

/* One event, of its lines. */
function dispatch(lines) {
	const event = { kind: "message", data: "" };
	for (const line of lines) {
		const [, name, value] = /^(\w+): ?(.*)$/.exec(line) || [];
		if (name === "event")
			event.kind = value;
		else if (name === "data")
			event.data += value;
		else if (name === "id")
			last = value;
	}
	if (!event.data)
		return;
	const data = JSON.parse(event.data);
	for (const listener of listeners)
		listener(event.kind, data);
}

async function read(signal) {
	const answer = await request("/api/events", { signal, cache: "no-store",
		headers: last ? { "Last-Event-ID": last } : {} });
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "", lines = [];
	for (;;) {
		const { done, value } = await reader.read();
		if (done)
			return;
		const parts = (rest + value).split("\n");
		rest = parts.pop();
		for (const line of parts) {
			if (line)
				lines.push(line);
			else
				dispatch(lines.splice(0));
		}
	}
}

async function run(own) {
	while (!own.signal.aborted) {
		try {
			await read(own.signal);
		} catch (e) {
			if (e.status === 401 || e.status === 403)
				return;
		}
		if (!own.signal.aborted)
			await new Promise((done) => setTimeout(done, RETRY_MS));
	}
}

function update() {
	const wanted = listeners.size > 0 && !document.hidden;
	if (wanted === Boolean(control))
		return;
	control?.abort();
	control = wanted ? new AbortController() : null;
	if (control)
		run(control);
}

/* Calls listener(kind, data) until the returned function is called. */
export function listen(listener) {
	listeners.add(listener);
	update();
	return () => {
		listeners.delete(listener);
		update();
	};
}

/* Calls changed(ids) for channels that were added, changed or removed, at most once in REST_MS; ids is a
 * Set, null = too many to name them. */
export function listenChannels(changed) {
	let ids = new Set(), timer = 0, last = -REST_MS;
	const tell = () => {
		const all = ids;
		timer = 0;
		last = performance.now();
		ids = new Set();
		changed(all.size > NAMED_MOST ? null : all);
	};
	const unlisten = listen((kind, data) => {
		if (kind !== "channel")
			return;
		if (ids.size <= NAMED_MOST)
			ids.add(String(data.id));
		timer ||= setTimeout(tell, Math.max(SOON_MS, last + REST_MS - performance.now()));
	});
	return () => {
		clearTimeout(timer);
		unlisten();
	};
}

/* A list of channels, in the order of their ids, in which those of `ids` are as in `found`; one that is
 * not in it is gone. */
export function merge(channels, ids, found) {
	const kept = channels.filter((c) => !ids.has(String(c.id)));
	return [...kept, ...found].sort((a, b) => a.id - b.id);
}

document.addEventListener("visibilitychange", update);
