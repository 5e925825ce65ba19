/* lineup.js - the channels that this user may watch, from the playlist that players get, too. */
import { request, session } from "./api.js";

/* name="value" pairs of a line, and what follows the last quoted value. */
function attributes(line) {
	const values = {}, pattern = /([A-Za-z0-9-]+)="([^"]*)"/g;
	let match, end = 0;
	while ((match = pattern.exec(line))) {
		values[match[1]] = match[2];
		end = pattern.lastIndex;
	}
	return [values, line.slice(line.indexOf(",", end) + 1)];
}

/* The entries of a playlist: {id, name, logo, group, number, url, description, regions, variants}. */
function parsePlaylist(text) {
	const channels = [];
	let entry = null;
	for (const line of text.split("\n")) {
		if (line.startsWith("#EXTINF:")) {
			const [values, name] = attributes(line);
			entry = { name, logo: values["tvg-logo"], group: values["group-title"],
				number: values["channel-number"] };
		} else if (!entry) {
			continue;
		} else if (line.startsWith("#EXTREM:AMP-DESCRIPTION ")) {
			entry.description = line.slice(24);
		} else if (line.startsWith("#EXTREM:AMP-REGION")) {
			entry.regions = line.match(/\b[A-Z]{2}\b/g) || [];
		} else if (line.startsWith("#EXTREM:AMP-VARIANT")) {
			entry.variant = attributes(line)[0].name;
		} else if (line && !line.startsWith("#")) {
			entry.url = line;
			const [, path, rtsp] =
				/\/(?:stream|hls|dash|audio|ws)\/(\d+)|^rtsp:\/\/[^/]+\/(\d+)/.exec(line) || [];
			entry.id = path || rtsp;
			const channel = channels[channels.length - 1];
			if (entry.variant !== undefined && channel && channel.id === entry.id)
				channel.variants.push(entry);
			else
				channels.push(Object.assign(entry, { variants: [] }));
			entry = null;
		}
	}
	return channels;
}

/* The token in the address of the guide, which the first line has. */
function linkToken(text) {
	const [, token = ""] = /^#EXTM3U [^\n]*[?&]token=([^&"]*)/.exec(text) || [];
	return decodeURIComponent(token);
}

/* The channels, with the query of a playlist. */
export async function loadLineUp(query) {
	const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
	const answer = await request(`/playlist.m3u?${words}`), text = await answer.text();
	session.linkToken = linkToken(text);
	return parsePlaylist(text);
}

const FAVOURITES = "amps-favourites";

/* The ids of the channels that are starred in this browser. */
export class Favourites {
	#ids = new Set();

	constructor() {
		try {
			this.#ids = new Set(JSON.parse(localStorage.getItem(FAVOURITES) || "[]").map(String));
		} catch (e) { /* there are none, or storage is switched off */ }
	}

	has(id) {
		return this.#ids.has(id);
	}

	toggle(id) {
		if (!this.#ids.delete(id))
			this.#ids.add(id);
		try {
			localStorage.setItem(FAVOURITES, JSON.stringify([...this.#ids]));
		} catch (e) { /* then they last as long as the page */ }
	}
}
