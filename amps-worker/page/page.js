/* page.js - the login, and which view is shown.
 *
 * The address says it: /watch/5 plays channel 5, /#see is the view "see", all else the channels. */
import { get, keepToken, session, takeToken } from "./api.js";
import { byId, say } from "./dom.js";

/* Each has show(place, navigate) and hide(); of the watch view, place is an id or null, of the others
 * the element to fill. */
const VIEWS = {
	watch: () => import("./watch.js"),
	guide: () => import("./guide.js"),
	see: () => import("./see.js"),
	steer: () => import("./steer.js"),
	tokens: () => import("./tokens.js"),
};
const ADMIN = ["see", "steer", "tokens"];
const login = byId("login"), field = byId("token"), view = byId("view"), nav = byId("views");
let shown = { name: "", module: null };

/* {name, id} of the view in the address. */
function place() {
	const [, id] = /^\/watch\/(\d+)$/.exec(location.pathname) || [];
	const name = location.hash.slice(1);
	return { name: !id && Object.hasOwn(VIEWS, name) ? name : "watch", id: id ?? null };
}

async function route() {
	const { name, id } = place();
	if (ADMIN.includes(name) && !session.admin) {
		navigate("/", true);
		return;
	}
	const module = await VIEWS[name]().catch((e) => say(e.message));
	if (!module)
		return;
	if (place().name !== name || !login.hidden)
		return;
	if (shown.module !== module) {
		shown.module?.hide();
		say("");
		view.replaceChildren();
		view.hidden = name === "watch";
		shown = { name, module };
		document.title = "Amps";
	}
	for (const a of nav.children)
		a.setAttribute("aria-current", (a.hash.slice(1) || "watch") === name ? "page" : "false");
	module.show(name === "watch" ? id : view, navigate);
}

/* Goes to an address of this page; replaces: without a step of the history. */
function navigate(address, replaces = false) {
	history[replaces ? "replaceState" : "pushState"](null, "", address);
	route();
}

function askToken() {
	if (!login.hidden)
		return;
	say(session.token ? "This token is not valid (any more)." : "");
	keepToken("");
	shown.module?.hide();
	shown.module = null;
	view.replaceChildren();
	byId("view-watch").hidden = view.hidden = nav.hidden = byId("forget").hidden = true;
	login.hidden = false;
	field.focus();
}

/* Learns what this token may do, and shows the view. */
async function begin() {
	login.hidden = true;
	try {
		await get("/api/status");
		session.admin = true;
	} catch (e) {
		if (e.status === 401)
			return;
		session.admin = false;	/* 403; without an answer, channels may still play */
	}
	for (const a of nav.querySelectorAll(".admin"))
		a.hidden = !session.admin;
	nav.hidden = false;
	byId("forget").hidden = !session.token;
	route();
}

login.addEventListener("submit", (event) => {
	event.preventDefault();
	keepToken(field.value.trim());
	field.value = "";
	begin();
});
document.addEventListener("amps-login", askToken);
byId("forget").addEventListener("click", () => {
	keepToken("");
	askToken();
});
document.addEventListener("click", (event) => {
	const a = event.target.closest?.("a[href^='/']");
	if (!a || a.download || event.button || event.ctrlKey || event.metaKey || event.shiftKey ||
		!/^\/(#|$|watch\/)/.test(a.getAttribute("href")))
		return;
	event.preventDefault();
	navigate(a.getAttribute("href"));
});
addEventListener("popstate", route);
takeToken();
begin();
