#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include "common/shm/chantab.h"
#include "common/shm/worker_page.h"
#include "unit.h"
#include "worker/catalog_fixture.h"

struct server {
	struct fixture *fixture;
	void *chantab;
	struct worker_page *page; /* with its records */
	const void *pages[3];
};

static void make(struct server *s)
{
	struct tuner_slot slot = {.state = TUNER_RUNNING,
				  .channel = 5,
				  .pid = 10,
				  .bitrate_out = 12000000,
				  .frames_dropped = 31,
				  .encoder_permil = 3250,
				  .start_ms = 1042,
				  .pcr_interval_ms = 40};
	struct chantab_header *table;

	s->fixture = fixture_new();
	s->page = calloc(1, WORKER_PAGE_BYTES);
	worker_page_init(s->page);
	fixture_channel(s->fixture, 5, "five", NULL);
	fixture_channel(s->fixture, 6, "six", NULL);
	cr_assert_eq(fixture_publish(s->fixture, 3), 0);
	table = s->chantab = calloc(1, CHANTAB_BYTES);
	chantab_init(s->chantab);
	atomic_store(&table->start_mono_us, 97500000);
	atomic_store(&table->tuners_running, 1);
	slot.derive_pid = 11;
	slot.bitrate_in = 8000000;
	memcpy(slot.key, "5/a\"\\\n", 7);
	chantab_put_tuner(s->chantab, 9, &slot);
	chantab_put_output(s->chantab, 4, &(struct output_slot){.tuner = 9});
	chantab_put_output(s->chantab, 7, &(struct output_slot){.tuner = 9});
	worker_page_add_output(s->page, 4, 1);
	worker_page_add_output(s->page, 4, 1);
	worker_page_add_output(s->page, 7, 1);
	atomic_store(&s->page->bytes_sent, 1ull << 40);
	atomic_store(&s->page->responses[2], 42);
	worker_page_add_zap(s->page, 50000);
	worker_page_add_zap(s->page, 30000);
	worker_page_add_zap(s->page, 1020000);
	worker_page_add_zap(s->page, 20000000);
	s->pages[1] = s->page;
	s->fixture->facts.chantab = s->chantab;
	s->fixture->facts.worker_pages = s->pages;
	s->fixture->facts.worker_count = 3;
}

static void done(struct server *s)
{
	fixture_free(s->fixture);
	free(s->chantab);
	free(s->page);
}

static const char *body_of(const char *answer)
{
	return strstr(answer, "\r\n\r\n") + 4;
}

Test(metrics, sums_up_the_server)
{
	struct server s = {0};
	char *text;

	make(&s);
	text = fixture_get(s.fixture, "/metrics", "");
	cr_expect(strstr(text, "Content-Type: text/plain; version=0.0.4"));
	cr_expect(strstr(text, "\namps_uptime_seconds 2.5\n"));
	cr_expect(strstr(text, "\namps_channels 2\n"));
	cr_expect(strstr(text, "\namps_tuners_running 1\n"));
	cr_expect(strstr(text, "\namps_media_sent_bytes_total{worker=\"1\"} 1099511627776\n"));
	cr_expect(strstr(text, "\namps_http_responses_total{worker=\"1\",code=\"2xx\"} 42\n"));
	cr_expect(strstr(text, "\namps_tuner_viewers{channel=\"5\",tuner=\"5/a\\\"\\\\\\n\"} 3\n"));
	cr_expect(strstr(text, "tuner=\"5/a\\\"\\\\\\n\"} 1000000\n"));
	cr_expect(strstr(text,
			 "\namps_tuner_first_media_seconds{channel=\"5\",tuner=\"5/a\\\"\\\\\\n\"} "
			 "1.042\n"));
	cr_expect(strstr(
		text, "\namps_tuner_pcr_interval_seconds{channel=\"5\",tuner=\"5/a\\\"\\\\\\n\"} "
		      "0.040\n"));
	cr_expect(strstr(
		text,
		"\namps_tuner_output_bytes_per_second{channel=\"5\",tuner=\"5/a\\\"\\\\\\n\"} "
		"1500000\n"));
	cr_expect(strstr(
		text,
		"\namps_tuner_frames_dropped_total{channel=\"5\",tuner=\"5/a\\\"\\\\\\n\"} 31\n"));
	cr_expect(strstr(
		text,
		"\namps_tuner_encoder_speed{channel=\"5\",tuner=\"5/a\\\"\\\\\\n\"} 3.250\n"));
	cr_expect(strstr(text, "# TYPE amps_zap_seconds histogram\n"));
	cr_expect(strstr(text, "\namps_zap_seconds_bucket{worker=\"1\",le=\"0.025\"} 0\n"));
	cr_expect(strstr(text, "\namps_zap_seconds_bucket{worker=\"1\",le=\"0.05\"} 2\n"));
	cr_expect(strstr(text, "\namps_zap_seconds_bucket{worker=\"1\",le=\"10\"} 3\n"));
	cr_expect(strstr(text, "\namps_zap_seconds_bucket{worker=\"1\",le=\"+Inf\"} 4\n"));
	cr_expect(strstr(text, "\namps_zap_seconds_count{worker=\"1\"} 4\n"));
	cr_expect(strstr(text, "\namps_zap_seconds_sum{worker=\"1\"} 21.100000\n"));
	/* "promtool check metrics" refuses them */
	cr_expect(!strstr(text, "_milliseconds"));
	cr_expect(strstr(text, ",state=\"running\"} 1\n"));
	cr_expect_null(strstr(text, "worker=\"0\""), "an unknown worker has no samples");
	free(text);
	done(&s);
}

/* The text format's grammar, and its rules: HELP and TYPE once before the samples of a name,
 * counters and only they end with _total, no sample twice. */
static void check_line(const char *line, char type[64])
{
	static const char sample[] = "^[a-z_]+(\\{[a-z]+=\"([^\"\\\\]|\\\\.)*\""
				     "(,[a-z]+=\"([^\"\\\\]|\\\\.)*\")*\\})? [0-9.e+-]+$";
	char name[64], kind[16];
	regex_t r;

	if (sscanf(line, "# TYPE %63s %15s", name, kind) == 2) {
		size_t n = strlen(name);
		bool total = n > 6 && strcmp(name + n - 6, "_total") == 0;

		cr_expect_eq(total, strcmp(kind, "counter") == 0, "%s", line);
		memcpy(type, name, sizeof(name));
		return;
	}
	if (strncmp(line, "# HELP ", 7) == 0)
		return;
	cr_assert_eq(regcomp(&r, sample, REG_EXTENDED | REG_NOSUB), 0);
	cr_expect_eq(regexec(&r, line, 0, NULL, 0), 0, "malformed: %s", line);
	cr_expect(strncmp(line, type, strlen(type)) == 0, "%s is not below its TYPE", line);
	regfree(&r);
}

Test(metrics, are_valid_prometheus_text)
{
	struct server s = {0};
	char *text, type[64] = "";
	int n = 0;

	make(&s);
	text = fixture_get(s.fixture, "/metrics", "");
	cr_expect_eq(text[strlen(text) - 1], '\n');
	for (char *line = strtok((char *)(uintptr_t)body_of(text), "\n"); line;
	     line = strtok(NULL, "\n"), n++)
		check_line(line, type);
	cr_expect_gt(n, 40);
	free(text);
	done(&s);
}

static void expect_json(struct server *s, const char *target, const char *fields)
{
	char *answer = fixture_get(s->fixture, target, fields);
	json_t *o = json_loads(body_of(answer), 0, NULL);

	cr_assert_not_null(o, "%s", answer);
	cr_expect(strstr(answer, "Content-Type: application/json\r\n"));
	cr_expect_float_eq(json_number_value(json_object_get(o, "uptime_seconds")), 2.5, 1e-6);
	cr_expect_eq(json_integer_value(json_object_get(o, "stream_count")), 2);
	cr_expect_eq(json_integer_value(json_object_get(o, "active_ffmpeg_processes")), 2);
	cr_expect_eq(json_object_size(o), 3);
	json_decref(o);
	free(answer);
}

Test(metrics, have_the_json_of_the_older_amps)
{
	struct server s = {0};
	char *text;

	make(&s);
	expect_json(&s, "/metrics?format=json", "");
	expect_json(&s, "/metrics", "Accept: application/json\r\n");
	text = fixture_get(s.fixture, "/metrics?format=prometheus", "Accept: application/json\r\n");
	cr_expect(strstr(text, "# HELP"));
	free(text);
	done(&s);
}

Test(metrics, work_without_tables)
{
	struct server s = {0};
	char *text;

	make(&s);
	s.fixture->facts.chantab = NULL;
	s.fixture->facts.worker_pages = NULL;
	text = fixture_get(s.fixture, "/metrics", "");
	cr_expect_eq(fixture_status(text), 200);
	cr_expect(strstr(text, "\namps_uptime_seconds 0\n"));
	free(text);
	done(&s);
}
