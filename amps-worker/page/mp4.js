/* mp4.js - reads fragmented MP4 (ISO 14496-12) as it comes: splits it into init segments and
 * fragments, and tells the codecs of an init segment as browsers name them (RFC 6381). */

const BOX_MAX = 64 << 20;
const LANGUAGES = "amps.sound-langs";	/* of a box "uuid" */

const NAMES = { avc1: "H.264", hvc1: "HEVC", hev1: "HEVC", av01: "AV1", vp09: "VP9",
	"mp4v.6": "MPEG-2", mp4v: "MPEG-4", "ac-3": "AC-3", "ec-3": "E-AC-3", "ac-4": "AC-4",
	"mp4a.69": "MPEG audio", "mp4a.6b": "MPEG audio", mp4a: "AAC", Opus: "Opus", fLaC: "FLAC" };

/* "H.264" for "avc1.64001f". */
export function codecName(codec) {
	const known = Object.keys(NAMES).find((start) => codec.startsWith(start));
	return known ? NAMES[known] : codec;
}

const kind = (view, at) => String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5),
	view.getUint8(at + 6), view.getUint8(at + 7));
const hex = (n) => n.toString(16).padStart(2, "0");

/* [kind, first byte of its content, end] of each box between these offsets. */
function* boxes(view, at, end) {
	while (at + 8 <= end) {
		const size = view.getUint32(at);
		if (size < 8 || at + size > end)
			throw new Error("the boxes of the stream are broken");
		yield [kind(view, at), at + 8, at + size];
		at += size;
	}
}

/* The content of the first box at this path. */
function find(view, at, end, ...path) {
	for (const [name, from, to] of boxes(view, at, end))
		if (name === path[0])
			return path.length === 1 ? [from, to] : find(view, from, to, ...path.slice(1));
	return null;
}

/* The descriptors of "esds" (ISO 14496-1): the type of the object, and that of the sound in it. */
function readDescriptors(view, at, end) {
	const found = { object: 0, audio: 0 };
	while (at + 2 < end) {
		const tag = view.getUint8(at++);
		let length = 0, byte;
		do {
			byte = view.getUint8(at++);
			length = length << 7 | byte & 0x7f;
		} while (byte & 0x80 && at < end);
		if (tag === 3) {
			at += 3;
		} else if (tag === 4) {
			found.object = view.getUint8(at);
			at += 13;
		} else if (tag === 5) {
			const type = view.getUint8(at) >> 3;
			found.audio = type === 31 ? 32 + (view.getUint16(at) >> 5 & 0x3f) : type;
			return found;
		} else {
			at += length;
		}
	}
	return found;
}

function hevcCodec(view, at) {
	const first = view.getUint8(at + 1), space = ["", "A", "B", "C"][first >> 6];
	let compatible = view.getUint32(at + 2), reversed = 0;
	for (let i = 0; i < 32; i++, compatible >>>= 1)
		reversed = reversed << 1 | compatible & 1;
	const constraints = [6, 7, 8, 9, 10, 11].map((i) => view.getUint8(at + i));
	while (constraints.length && !constraints[constraints.length - 1])
		constraints.pop();
	return [`hvc1.${space}${first & 0x1f}`, (reversed >>> 0).toString(16),
		(first & 0x20 ? "H" : "L") + view.getUint8(at + 12),
		...constraints.map((byte) => byte.toString(16))].join(".");
}

/* A sample entry, whose own boxes begin at `at`. */
function entryCodec(view, name, at, end) {
	const esds = name.startsWith("mp4") && find(view, at, end, "esds");
	if (esds) {
		const { object, audio } = readDescriptors(view, esds[0] + 4, esds[1]);
		return `${name}.${hex(object)}${name === "mp4a" && object === 0x40 ? "." + audio : ""}`;
	}
	const avcC = find(view, at, end, "avcC");
	if (avcC)
		return `${name}.${[1, 2, 3].map((i) => hex(view.getUint8(avcC[0] + i))).join("")}`;
	const hvcC = find(view, at, end, "hvcC");
	return hvcC ? hevcCodec(view, hvcC[0]) : name;
}

/* The tracks of an init segment: [{id, scale, codec, sound}]. */
export function readInit(bytes) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const moov = find(view, 0, bytes.byteLength, "moov"), tracks = [];
	for (const [name, at, end] of boxes(view, ...moov)) {
		if (name !== "trak")
			continue;
		const [tkhd] = find(view, at, end, "tkhd");
		const [mdhd] = find(view, at, end, "mdia", "mdhd");
		const [hdlr] = find(view, at, end, "mdia", "hdlr");
		const [stsd] = find(view, at, end, "mdia", "minf", "stbl", "stsd");
		const sound = kind(view, hdlr + 4) === "soun";
		const entry = stsd + 8, size = view.getUint32(entry);
		tracks.push({
			id: view.getUint32(tkhd + (view.getUint8(tkhd) ? 20 : 12)),
			scale: view.getUint32(mdhd + (view.getUint8(mdhd) ? 20 : 12)),
			codec: entryCodec(view, kind(view, entry), entry + (sound ? 36 : 86), entry + size),
			sound,
		});
	}
	return tracks;
}

/* The languages of sound that the channel has, by the box that Amps adds to an init segment. */
export function readLanguages(bytes) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const moov = find(view, 0, bytes.byteLength, "moov");
	for (const [name, at, end] of boxes(view, ...moov)) {
		const text = name === "uuid" ? String.fromCharCode(...bytes.subarray(at, end)) : "";
		if (text.startsWith(LANGUAGES))
			return text.slice(LANGUAGES.length).split(",").filter(Boolean);
	}
	return [];
}

/* Where a fragment begins, in seconds, by the first of its tracks. */
export function fragmentTime(bytes, tracks) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const traf = find(view, 0, bytes.byteLength, "moof", "traf");
	const [tfhd] = find(view, ...traf, "tfhd"), [tfdt] = find(view, ...traf, "tfdt");
	const id = view.getUint32(tfhd + 4), track = tracks.find((t) => t.id === id);
	const time = view.getUint8(tfdt) ? Number(view.getBigUint64(tfdt + 4)) : view.getUint32(tfdt + 4);
	return track ? time / track.scale : 0;
}

/* Takes bytes as they come; next() returns the oldest complete piece, {init, bytes}, or null. */
export class Splitter {
	#chunks = [];
	#length = 0;
	#whole = 0;	/* bytes of the piece's boxes that are known */

	push(bytes) {
		this.#chunks.push(bytes);
		this.#length += bytes.byteLength;
	}

	/* The bytes so far, as one. */
	#joined() {
		if (this.#chunks.length === 1)
			return this.#chunks[0];
		const all = new Uint8Array(this.#length);
		let at = 0;
		for (const chunk of this.#chunks) {
			all.set(chunk, at);
			at += chunk.byteLength;
		}
		this.#chunks = [all];
		return all;
	}

	next() {
		for (;;) {
			if (this.#length < this.#whole + 8)
				return null;
			const all = this.#joined();
			const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
			const size = view.getUint32(this.#whole), name = kind(view, this.#whole);
			if (size < 8 || size > BOX_MAX)
				throw new Error("the boxes of the stream are broken");
			const end = this.#whole + size;
			if (this.#length < end)
				return null;
			this.#whole = end;
			if (name !== "mdat" && name !== "moov")
				continue;
			this.#chunks = end < all.byteLength ? [all.subarray(end)] : [];
			this.#length -= end;
			this.#whole = 0;
			return { init: name === "moov", bytes: all.subarray(0, end) };
		}
	}
}
