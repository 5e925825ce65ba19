#include "amps-master/control/control_line.h"

static bool valid_id(const json_t *id)
{
	return !id || json_is_null(id) || json_is_number(id) || json_is_string(id);
}

static const char *complaint(struct control_call *c)
{
	const json_t *method, *params;

	if (!json_is_object(c->root))
		return "a request is one JSON object a line";
	if (!valid_id(json_object_get(c->root, "id")))
		return "\"id\" must be a number or a text";
	c->id = json_object_get(c->root, "id");
	method = json_object_get(c->root, "method");
	if (!json_is_string(method))
		return "\"method\" must be a text";
	params = json_object_get(c->root, "params");
	if (params && !json_is_null(params) && !json_is_object(params))
		return "\"params\" must be an object";
	c->method = json_string_value(method);
	c->params = json_is_object(params) ? params : NULL;
	return NULL;
}

int control_call_parse(struct control_call *c, const char *line, size_t len,
		       const char **ret_message)
{
	const char *message;

	*c = (struct control_call){0};
	c->root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	message = c->root ? complaint(c) : "not a JSON object";
	if (!message)
		return 0;
	*ret_message = message;
	return -EINVAL;
}

void control_call_done(struct control_call *c)
{
	json_decref(c->root);
	*c = (struct control_call){0};
}

static int add_bytes(const char *bytes, size_t n, void *out)
{
	buf_add(out, bytes, n);
	return 0;
}

/* Takes `answer`.  Written piece by piece, so that a large answer is never held twice. */
static void put_line(struct buf *out, json_t *answer)
{
	if (!answer || json_dump_callback(answer, add_bytes, out, JSON_COMPACT) != 0)
		out->failed = true;
	buf_putc(out, '\n');
	json_decref(answer);
}

/* jansson takes references through non-const pointers; what is behind them stays as it is. */
static json_t *share(const json_t *value)
{
	return value ? json_incref((json_t *)(uintptr_t)value) : json_null();
}

void control_put_result(struct buf *out, const json_t *id, const json_t *result)
{
	put_line(out, json_pack("{s:o, s:o}", "id", share(id), "result", share(result)));
}

void control_put_text(struct buf *out, const json_t *id, const char *text, size_t len)
{
	buf_puts(out, "{\"id\":");
	if (json_dump_callback(id ? id : json_null(), add_bytes, out,
			       JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		out->failed = true;
	buf_puts(out, ",\"result\":");
	buf_add(out, text, len);
	buf_puts(out, "}\n");
}

void control_put_error(struct buf *out, const json_t *id, const char *code, const char *message,
		       const json_t *problems)
{
	json_t *error = json_pack("{s:s, s:s}", "code", code, "message", message);

	if (error && problems)
		json_object_set_new(error, "problems", share(problems));
	put_line(out, json_pack("{s:o, s:o}", "id", share(id), "error", error));
}
