// Prints what npm's two HLS parsers make of the playlists on stdin, a list of texts: for each
// {strict: {target, number, discontinuities, segments}, lenient: the same}, or {error} in place of one.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const strict = require("hls-parser");
const { Parser } = require("m3u8-parser");

strict.setOptions({ strictMode: true });

// One that has parts only has no address yet.
function countWhole(segments) {
	return segments.filter((s) => s.uri).length;
}

function readStrictly(text) {
	const p = strict.parse(text);
	if (p.isMasterPlaylist)
		return { variants: p.variants.length };
	return { target: p.targetDuration, number: p.mediaSequenceBase,
		discontinuities: p.discontinuitySequenceBase, segments: countWhole(p.segments) };
}

function readLeniently(text) {
	const parser = new Parser(), warnings = [];
	parser.on("warn", (e) => warnings.push(e.message));
	parser.push(text);
	parser.end();
	const m = parser.manifest;
	if (warnings.length)
		throw Error(warnings.join(", "));
	if (m.playlists)
		return { variants: m.playlists.length };
	return { target: m.targetDuration, number: m.mediaSequence,
		discontinuities: m.discontinuitySequence, segments: countWhole(m.segments) };
}

function attempt(read, text) {
	try {
		return read(text);
	} catch (e) {
		return { error: String(e.message ?? e) };
	}
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((text) => (
	{ strict: attempt(readStrictly, text), lenient: attempt(readLeniently, text) }))));
