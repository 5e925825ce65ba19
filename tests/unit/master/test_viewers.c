#include <arpa/inet.h>
#include <string.h>
#include "amps-master/children/viewers.h"
#include "common/shm/worker_page.h"
#include "unit.h"

static struct viewer_record make_record(void)
{
	struct viewer_record r = {.channel = 5, .since_wall_us = 1769860800000000, .port = 1};

	atomic_store(&r.serial, 3ull << 40 | 7);
	atomic_store(&r.bytes, 1880);
	atomic_store(&r.lag, 376);
	atomic_store(&r.skips, 2);
	inet_pton(AF_INET6, "::ffff:192.0.2.9", r.address);
	strcpy(r.user_agent, "VLC/3.0");
	return r;
}

static const char *member(const json_t *viewer, const char *name)
{
	return json_string_value(json_object_get(viewer, name));
}

Test(viewers, describes_a_record)
{
	struct viewer_record r = make_record();
	json_t *v = viewers_describe(&r);

	cr_assert_not_null(v);
	cr_expect_eq(json_integer_value(json_object_get(v, "id")), 3298534883335);
	cr_expect_eq(json_integer_value(json_object_get(v, "stream_id")), 5);
	cr_expect_eq(json_integer_value(json_object_get(v, "bytes")), 1880);
	cr_expect_eq(json_integer_value(json_object_get(v, "lag_bytes")), 376);
	cr_expect_str_eq(member(v, "address"), "192.0.2.9");
	cr_expect_str_eq(member(v, "since"), "2026-01-31T12:00:00Z");
	cr_expect_str_eq(member(v, "protocol"), "ts");
	cr_expect_str_eq(member(v, "user_agent"), "VLC/3.0");
	cr_expect(json_is_null(json_object_get(v, "variant")));
	cr_expect(json_is_null(json_object_get(v, "rtt_ms")), "not known yet");
	cr_expect_eq(json_integer_value(json_object_get(v, "skips")), 2);
	json_decref(v);
	atomic_store(&r.rtt_us, 12500);
	atomic_store(&r.retransmits, 3);
	atomic_store(&r.delivery_bps, 8000000000);
	v = viewers_describe(&r);
	cr_expect_float_eq(json_real_value(json_object_get(v, "rtt_ms")), 12.5, 1e-9);
	cr_expect_eq(json_integer_value(json_object_get(v, "retransmits")), 3);
	cr_expect_eq(json_integer_value(json_object_get(v, "delivery_bps")), 8000000000);
	json_decref(v);
}

Test(viewers, text_that_is_no_utf8_becomes_readable)
{
	struct viewer_record r = make_record();
	json_t *v;

	memset(r.user_agent, 'x', sizeof(r.user_agent)); /* no NUL at all */
	r.user_agent[1] = (char)0xff;
	r.protocol = 200;
	strcpy(r.variant, "sd");
	inet_pton(AF_INET6, "2001:db8::1", r.address);
	v = viewers_describe(&r);
	cr_assert_not_null(v);
	cr_expect_eq(strlen(member(v, "user_agent")), sizeof(r.user_agent));
	cr_expect_eq(strncmp(member(v, "user_agent"), "x?xx", 4), 0);
	cr_expect_str_eq(member(v, "protocol"), "?");
	cr_expect_str_eq(member(v, "variant"), "sd");
	cr_expect_str_eq(member(v, "address"), "2001:db8::1");
	json_decref(v);
}
