/* programmes.js - the programmes of channels (/api/epg), asked for as their rows come into view. */
import { get } from "./api.js";

const AT_ONCE = 200, SOON_MS = 60, OLD_MS = 300000, LENGTH_MS = 3600000;

/* Programmes with times that can be compared: [{title, description, from, to}], in order. */
function timed(programs) {
	const all = programs.map((p) => ({ title: p.title, description: p.description,
		from: Date.parse(p.start), to: Date.parse(p.end) })).filter((p) => !isNaN(p.from))
		.sort((a, b) => a.from - b.from);
	all.forEach((p, i) => {
		if (isNaN(p.to))
			p.to = all[i + 1]?.from ?? p.from + LENGTH_MS;
	});
	return all;
}

/* Those of these channels, at most AT_ONCE: a Map of id -> programmes. */
async function load(ids, query) {
	const words = new URLSearchParams({ ...query, ids: ids.join(",") });
	const all = await get(`/api/epg?${words}`);
	return new Map([...ids.map((id) => [id, []]),
		...all.map((c) => [String(c.id), timed(c.programs || [])])]);
}

export class Programmes {
	#known = new Map();	/* id -> programmes */
	#asked = new Set();	/* ids that are to be asked for, or being */
	#timer = 0;
	#busy = false;
	#query;
	#changed;
	#since = 0;

	/* query: of /api/epg.  changed(): more is known. */
	constructor(query, changed) {
		this.#query = query;
		this.#changed = changed;
	}

	/* The programmes of a channel; null = they are asked for. */
	of(id) {
		if (Date.now() - this.#since > OLD_MS)
			this.forget();
		const known = this.#known.get(id);
		if (!known && !this.#asked.has(id)) {
			this.#asked.add(id);
			this.#soon();
		}
		return known ?? null;
	}

	/* {now, next} of a channel, each may be undefined. */
	nowNext(id) {
		const time = Date.now(), all = this.of(id) || [];
		return { now: all.find((p) => p.from <= time && p.to > time), next: all.find((p) => p.from > time) };
	}

	forget() {
		this.#known.clear();
		this.#asked.clear();
		this.#since = Date.now();
	}

	/* One request at a time. */
	#soon() {
		if (!this.#busy)
			this.#timer ||= setTimeout(() => this.#ask(), SOON_MS);
	}

	async #ask() {
		const ids = [...this.#asked].slice(0, AT_ONCE);
		this.#timer = 0;
		if (!ids.length)
			return;
		this.#busy = true;
		try {
			for (const [id, programmes] of await load(ids, this.#query)) {
				this.#known.set(id, programmes);
				this.#asked.delete(id);
			}
			this.#changed();
		} catch (e) {
			this.#asked.clear();	/* what is still in view asks again */
		}
		this.#busy = false;
		if (this.#asked.size)
			this.#soon();
	}
}

/* Searches the programmes of these channels that have not ended, some channels at a time: calls
 * found(channel, programme), which returns false when it wants no more. */
export async function searchProgrammes(channels, query, text, signal, found) {
	const words = text.toLowerCase(), now = Date.now();
	for (let at = 0; at < channels.length && !signal.aborted; at += AT_ONCE) {
		const part = channels.slice(at, at + AT_ONCE);
		const all = await load(part.map((c) => c.id), query);
		for (const channel of part)
			for (const p of all.get(channel.id) || [])
				if (p.to > now && `${p.title} ${p.description || ""}`.toLowerCase().includes(words) &&
					!signal.aborted && !found(channel, p))
					return;
	}
}
