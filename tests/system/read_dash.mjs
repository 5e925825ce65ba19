// Prints what npm's mpd-parser makes of the manifests on stdin, a list of texts: for each {warnings,
// pictures, sounds}, the segments of all pictures and of all sounds, or {error}.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const mpd = createRequire(process.argv[2] + "/")("mpd-parser");

function countSegments(playlists) {
	return playlists.reduce((sum, p) => sum + p.segments.length, 0);
}

function read(text) {
	const warnings = [];
	const m = mpd.parse(text, { manifestUri: "http://127.0.0.1/dash/1/manifest.mpd",
		eventHandler: ({ type, message }) => warnings.push(`${type} ${message}`) });
	const sounds = Object.values(m.mediaGroups.AUDIO.audio ?? {});
	return { warnings, pictures: countSegments(m.playlists),
		sounds: countSegments(sounds.flatMap((s) => s.playlists)) };
}

function attempt(text) {
	try {
		return read(text);
	} catch (e) {
		return { error: String(e.message ?? e) };
	}
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(attempt)));
