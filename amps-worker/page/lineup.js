/* lineup.js - the token of this browser window, and the channels that it may watch. */

const STORE = "amps-token";

/* A token in the address must not stay in the history or in a shared screen. */
export function takeToken(address) {
	let token = "";
	try {
		token = sessionStorage.getItem(STORE) || "";
	} catch (e) { /* storage may be switched off */ }
	if (!address.searchParams.has("token"))
		return token;
	token = address.searchParams.get("token");
	address.searchParams.delete("token");
	history.replaceState(null, "", address.pathname + address.search + address.hash);
	return token;
}

export function keepToken(token) {
	try {
		if (token)
			sessionStorage.setItem(STORE, token);
		else
			sessionStorage.removeItem(STORE);
	} catch (e) { /* then it lasts as long as the page */ }
}

/* Fields of a request with this token. */
export function tokenFields(token) {
	return token ? { "X-Amps-Token": token } : {};
}

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

/* The entries of a playlist: {id, name, logo, group, number, url, next, description, variants}. */
export function parsePlaylist(text) {
	const channels = [];
	let entry = null;
	for (const line of text.split("\n")) {
		if (line.startsWith("#EXTINF:")) {
			const [values, name] = attributes(line);
			entry = { name, logo: values["tvg-logo"], group: values["group-title"],
				number: values["channel-number"] };
		} else if (!entry) {
			continue;
		} else if (line.startsWith("#EXTREM:AMP-NEXT")) {
			entry.next = attributes(line)[0];
		} else if (line.startsWith("#EXTREM:AMP-DESCRIPTION ")) {
			entry.description = line.slice(24);
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
