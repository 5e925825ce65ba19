/* api.js - requests to this server with the token of this browser window. */

const STORE = "amps-token";

/* token: "" = none; admin: it may steer; linkToken: what the server writes into links for this user. */
export const session = { token: "", admin: false, linkToken: "" };

/* The token is kept for this window.  One in the address must not stay in the history or in a
 * shared screen. */
export function takeToken() {
	const address = new URL(location.href);
	try {
		session.token = sessionStorage.getItem(STORE) || "";
	} catch (e) { /* storage may be switched off */ }
	if (!address.searchParams.has("token"))
		return;
	keepToken(address.searchParams.get("token"));
	address.searchParams.delete("token");
	history.replaceState(null, "", address.pathname + address.search + address.hash);
}

export function keepToken(token) {
	session.token = token;
	try {
		if (token)
			sessionStorage.setItem(STORE, token);
		else
			sessionStorage.removeItem(STORE);
	} catch (e) { /* then it lasts as long as the page */ }
}

/* Fields of a request with this token. */
export const tokenFields = () => (session.token ? { "X-Amps-Token": session.token } : {});

export class ApiError extends Error {
	constructor(status, data) {
		super(data?.error || (status ? `the server answered ${status}` :
			"the server cannot be reached"));
		this.status = status;	/* of HTTP; 0 = there was no answer */
		this.problems = data?.problems || [];
	}
}

/* The answer of a request: a Response that is "ok".  Throws an ApiError.  401 ends the session. */
export async function request(path, options = {}) {
	let answer;
	try {
		answer = await fetch(path, { ...options,
			headers: { ...tokenFields(), ...options.headers } });
	} catch (e) {
		if (e.name === "AbortError")
			throw e;
		throw new ApiError(0);
	}
	if (answer.ok)
		return answer;
	const data = await answer.json().catch(() => null);
	if (answer.status === 401)
		document.dispatchEvent(new CustomEvent("amps-login"));
	throw new ApiError(answer.status, data);
}

/* JSON: {data, tag}. */
export async function ask(method, path, body, match) {
	const headers = {};
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	if (match)
		headers["If-Match"] = match;
	const answer = await request(path, { method, headers,
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { data: await answer.json(), tag: answer.headers.get("ETag") };
}

export const get = async (path) => (await ask("GET", path)).data;

/* A link that works in other programs: they have no header for the token.  An administrator's own
 * token never stands in one. */
export function linkTo(path, query = {}) {
	const url = new URL(path, location.origin);
	for (const [name, value] of Object.entries({ ...query, token: session.linkToken }))
		if (value)
			url.searchParams.set(name, value);
	return url.href;
}
