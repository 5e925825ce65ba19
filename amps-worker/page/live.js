/* live.js - the bytes of a channel as fragmented MP4: an endless answer of HTTP, or a WebSocket where
 * a proxy holds answers back. */

export class LiveError extends Error {
	constructor(message, status) {
		super(message);
		this.status = status;	/* of HTTP; 0 = there was no answer */
	}
}

function address(base, asked) {
	const url = new URL(`${base}/${encodeURIComponent(asked.id)}`, location.href);
	url.searchParams.set("format", "mp4");
	url.searchParams.set("join_ms", "0");
	for (const name of ["variant", "lang", "region"])
		if (asked[name])
			url.searchParams.set(name, asked[name]);
	return url;
}

async function reasonOf(answer) {
	try {
		return (await answer.json()).error || `the server answered ${answer.status}`;
	} catch (e) {
		return `the server answered ${answer.status}`;
	}
}

/* Waits for begun() when the server answers, then calls take(bytes) for what comes.  Returns at the end;
 * throws a LiveError. */
export async function readHttp(asked, fields, signal, begun, take) {
	let answer;
	try {
		answer = await fetch(address("/stream", asked), { headers: fields, signal, cache: "no-store" });
	} catch (e) {
		throw new LiveError("the server cannot be reached", 0);
	}
	if (!answer.ok)
		throw new LiveError(await reasonOf(answer), answer.status);
	await begun();
	const reader = answer.body.getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done)
				return;
			take(value);
		}
	} catch (e) {
		throw e instanceof LiveError ? e : new LiveError("the connection broke off", 0);
	} finally {
		reader.cancel().catch(() => {});
	}
}

const base64url = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))
	.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const REASONS = { 1008: "an administrator ended it", 1011: "the channel failed",
	1013: "this connection is too slow" };

/* The same over a WebSocket, which does not wait for begun(); returns at the end of the source, and
 * throws at any other. */
export function readWebSocket(asked, token, signal, begun, take) {
	const url = address("/ws", asked);
	url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
	return new Promise((done, failed) => {
		const protocols = token ? ["amps", `token.${base64url(token)}`] : [];
		const socket = new WebSocket(url, protocols);
		socket.binaryType = "arraybuffer";
		signal.addEventListener("abort", () => socket.close());
		if (signal.aborted)
			socket.close();
		socket.onopen = begun;
		socket.onmessage = (event) => {
			try {
				take(new Uint8Array(event.data));
			} catch (e) {
				failed(e);
				socket.close();
			}
		};
		socket.onclose = (event) => {
			if (event.code === 1000)
				done();
			else
				failed(new LiveError(REASONS[event.code] || "the connection broke off", 0));
		};
	});
}
