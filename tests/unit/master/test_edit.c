#include "amps-master/api/edit.h"

#include "state_folder.h"

/* A request to delete channel 1, which had time until `deadline_us`: its status. */
static int delete_one(struct store_work *w, uint64_t deadline_us)
{
	struct api_call c = {.deadline_us = deadline_us,
			     .result = API_RESULT_NONE,
			     .m = {.operation = API_STREAM_DELETE, .id = 1, .match = ""}};
	struct store_answer answer;

	edit_run(w, &c, 0, &answer);
	cr_assert_eq(answer.changed, c.result.status == 200);
	store_answer_done(&answer);
	store_work_commit(w, 0, &answer);
	cr_assert_eq(answer.publication != NULL, c.result.status == 200);
	store_answer_done(&answer);
	free(c.result.json);
	return c.result.status;
}

Test(edit, a_request_that_waited_too_long_changes_nothing)
{
	static const char file[] =
		"{\"problems\":[],\"model\":{\"auth\":{\"enabled\":false},\"profiles\":{},"
		"\"streams\":[{\"id\":1,\"name\":\"A\",\"source\":\"a.ts\","
		"\"ffmpeg_profile\":\"copy\"}],\"scheduled_streams\":[]}}";
	struct state_folder f;
	struct store_work w;
	struct store_answer answer;
	char text[512] = "";

	state_folder_make(&f);
	cr_assert_eq(store_work_open(f.state, &w, text, sizeof(text)), 0, "%s", text);
	store_work_load(&w, file, strlen(file), &DISCARD_NOTHING, 0, &answer);
	cr_assert_eq(answer.error, 0, "%s", answer.text);
	store_answer_done(&answer);
	cr_expect_eq(delete_one(&w, 1), 503);
	cr_expect_eq(delete_one(&w, UINT64_MAX), 200, "it was still there");
	cr_expect_eq(delete_one(&w, 0), 404);
	store_work_close(&w);
	state_folder_remove(&f);
}
