#include "common/shm/tokens.h"

#include "unit.h"
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/shm/shm.h"
#include "snapshots.h"

#define ENTRIES 3
#define BASE	0x8f3a5c917be2d64bull

struct image {
	struct tokens_header header;
	struct token_entry entries[ENTRIES];
};

static struct tokens_header header_of(uint32_t count, uint64_t bytes)
{
	return (struct tokens_header){.snapshot = {.magic = TOKENS_MAGIC,
						   .version = TOKENS_VERSION,
						   .header_bytes = sizeof(struct tokens_header),
						   .total_bytes = bytes,
						   .generation = 1},
				      .count = count};
}

static struct image *image_new(void)
{
	struct image *s = calloc(1, sizeof(*s));

	cr_assert_not_null(s);
	s->header = header_of(ENTRIES, sizeof(*s));
	for (size_t i = 0; i < ENTRIES; i++)
		s->entries[i].expires_wall_us = TIME_NONE;
	strcpy(s->entries[0].token, "shared");
	s->entries[0].flags = TOKEN_SHARED;
	strcpy(s->entries[1].token, "living-room");
	s->entries[1].expires_wall_us = 1000;
	memset(s->entries[2].token, 'k', TOKEN_BYTES_MAX);
	s->entries[2].role = TOKEN_ADMIN;
	return s;
}

static int image_open(const struct image *s, size_t bytes, struct tokens **ret)
{
	int fd = shm_snapshot("test-tokens", s, bytes), r;

	cr_assert_geq(fd, 0);
	r = open_tokens(fd, bytes, ret);
	close(fd);
	return r;
}

static const struct token_entry *find(const struct tokens *t, const char *token, int64_t wall_us)
{
	return tokens_find(t, token, strlen(token), wall_us);
}

Test(tokens, finds_exactly_its_entries)
{
	struct image *s = image_new();
	struct tokens *t = NULL;
	char longest[TOKEN_BYTES_MAX + 1] = {0};

	memset(longest, 'k', TOKEN_BYTES_MAX);
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	cr_assert_eq(find(t, "shared", 0)->flags, TOKEN_SHARED);
	cr_assert_eq(find(t, longest, 0)->role, TOKEN_ADMIN);
	cr_assert_null(find(t, longest + 1, 0));
	cr_assert_null(find(t, "sharedly", 0));
	cr_assert_null(find(t, "Shared", 0));
	cr_assert_null(tokens_find(t, "shared\0", 7, 0));
	cr_assert_null(tokens_find(t, "\0", 1, 0));
	cr_assert_null(find(t, "share", 0));
	cr_assert_null(find(t, "", 0));
	cr_assert_null(find(t, "other", 0));
	cr_assert_eq(tokens_shared(t), find(t, "shared", 0));
	close_tokens(t);
	free(s);
}

Test(tokens, an_expired_token_is_not_found)
{
	struct image *s = image_new();
	struct tokens *t = NULL;

	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	cr_assert_not_null(find(t, "living-room", 999));
	cr_assert_null(find(t, "living-room", 1000));
	close_tokens(t);
	/* of two equal tokens the one alive counts */
	strcpy(s->entries[0].token, "living-room");
	s->entries[0].expires_wall_us = 500;
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	cr_assert_eq(find(t, "living-room", 600)->expires_wall_us, 1000);
	close_tokens(t);
	free(s);
}

Test(tokens, the_first_of_equal_ones_that_has_not_expired_counts)
{
	struct image *s = image_new();
	struct tokens *t = NULL;

	for (size_t i = 0; i < ENTRIES; i++) {
		memset(&s->entries[i], 0, sizeof(s->entries[i]));
		strcpy(s->entries[i].token, "same");
		s->entries[i].max_viewers = (uint32_t)i;
		s->entries[i].expires_wall_us = 1000 * ((int64_t)i + 1);
	}
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		cr_assert_eq(find(t, "same", 1000 * (int64_t)i)->max_viewers, i);
	cr_assert_null(find(t, "same", 1000 * ENTRIES));
	close_tokens(t);
	free(s);
}

Test(tokens, each_of_the_most_there_may_be_is_found)
{
	size_t bytes = sizeof(struct tokens_header) + TOKENS_MAX * sizeof(struct token_entry);
	struct tokens_header *header = calloc(1, bytes);
	struct token_entry *entries = (struct token_entry *)(void *)(header + 1);
	struct tokens *t = NULL;
	char text[16];
	int fd;

	*header = header_of(TOKENS_MAX, bytes);
	for (uint32_t i = 0; i < TOKENS_MAX; i++) {
		snprintf(entries[i].token, sizeof(entries[i].token), "token-%u", i);
		entries[i].max_viewers = i;
		entries[i].expires_wall_us = TIME_NONE;
	}
	fd = shm_snapshot("test-tokens", header, bytes);
	cr_assert_geq(fd, 0);
	cr_assert_eq(open_tokens(fd, bytes, &t), 0);
	close(fd);
	for (uint32_t i = 0; i < TOKENS_MAX; i++) {
		snprintf(text, sizeof(text), "token-%u", i);
		cr_assert_eq(find(t, text, 0)->max_viewers, i);
	}
	snprintf(text, sizeof(text), "token-%u", TOKENS_MAX);
	cr_assert_null(find(t, text, 0));
	close_tokens(t);
	free(header);
}

Test(tokens, an_empty_snapshot_has_no_token)
{
	struct image *s = image_new();
	struct tokens *t = NULL;

	s->header.count = 0;
	s->header.snapshot.total_bytes = sizeof(s->header);
	cr_assert_eq(image_open(s, sizeof(s->header), &t), 0);
	cr_assert_null(tokens_shared(t));
	cr_assert_null(find(t, "shared", 0));
	close_tokens(t);
	free(s);
}

Test(tokens, without_a_shared_one)
{
	struct image *s = image_new();
	struct tokens *t = NULL;

	s->entries[0].flags = 0;
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	cr_assert_null(tokens_shared(t));
	close_tokens(t);
	free(s);
}

static void check_refused(const struct image *s, size_t bytes)
{
	struct tokens *t = NULL;

	cr_assert_eq(image_open(s, bytes, &t), -EINVAL);
	cr_assert_null(t);
}

Test(tokens, an_invalid_snapshot_is_refused)
{
	struct image *s = image_new();

	check_refused(s, sizeof(*s) - 1);
	check_refused(s, sizeof(s->header));
	check_refused(s, 8);
	s->header.snapshot.version++;
	check_refused(s, sizeof(*s));
	s->header.snapshot.version--;
	s->header.count = UINT32_MAX;
	check_refused(s, sizeof(*s));
	s->header.count = ENTRIES;
	s->entries[2].group_count = TOKEN_GROUPS_MAX + 1;
	check_refused(s, sizeof(*s));
	s->entries[2].group_count = 1;
	memset(s->entries[2].groups[0], 'g', TOKEN_GROUP_BYTES);
	check_refused(s, sizeof(*s));
	s->entries[2].group_count = 0;
	memset(s->entries[2].name, 'n', sizeof(s->entries[2].name));
	check_refused(s, sizeof(*s));
	s->entries[2].name[63] = '\0';
	s->entries[2].role = 2;
	check_refused(s, sizeof(*s));
	free(s);
}

static void check_hidden(const struct tokens *t, const char *text, const char *expected)
{
	char copy[512];
	size_t n = strlen(text);

	memcpy(copy, text, n + 1);
	n = tokens_hide(t, copy, n);
	cr_expect(n == strlen(expected) && memcmp(copy, expected, n) == 0, "%s: %.*s", text, (int)n,
		  copy);
}

Test(tokens, one_of_which_there_is_a_digest_is_found_and_hidden)
{
	struct image *s = image_new();
	struct tokens *t = NULL;
	char hex[TOKEN_HASH_BYTES + 1] = {0};

	strcpy(s->entries[1].token, "chief: 5/x");
	s->header.base = BASE;
	tokens_put_hashed(&s->entries[1], BASE, "chief: 5/x", 10);
	s->entries[1].expires_wall_us = 1000;
	memcpy(hex, s->entries[1].token, TOKEN_HASH_BYTES);
	cr_assert_null(strstr(hex, "chief"));
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	cr_assert_eq(find(t, "chief: 5/x", 0), tokens_at(t, 1));
	cr_assert_null(find(t, "chief: 5/x", 1000), "it has expired");
	cr_assert_null(find(t, "chief: 5/y", 0));
	cr_assert_null(find(t, hex, 0), "the digest is not the token");
	check_hidden(t, "/x?token=chief:%205%2Fx&y", "/x?token=***&y");
	check_hidden(t, "chief: 5/xchief: 5/x shared", "*** ***");
	check_hidden(t, "/chief: 5/", "/chief: 5/");
	check_hidden(t, "/hcief: 5/x", "/hcief: 5/x"); /* the same sum */
	close_tokens(t);
	s->entries[1].length = TOKEN_BYTES_MAX + 1;
	check_refused(s, sizeof(*s));
	free(s);
}

Test(tokens, one_of_which_there_is_only_the_sha256_is_found_and_hidden)
{
	static const char made[] = "0123456789abcdef0123456789abcdef01234567";
	struct image *s = image_new();
	struct tokens *t = NULL;
	uint64_t name, plain;

	memset(s->entries[1].token, 0, sizeof(s->entries[1].token));
	strcpy(s->entries[1].token, made);
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	plain = tokens_name(t, tokens_at(t, 1));
	close_tokens(t);
	tokens_hash(made, strlen(made), s->entries[1].token);
	s->entries[1].flags = TOKEN_HASHED | TOKEN_MADE;
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	cr_assert_eq(find(t, made, 0), tokens_at(t, 1));
	name = tokens_name(t, tokens_at(t, 1));
	cr_expect_eq(name, plain, "it has one name");
	cr_expect_eq(tokens_by_name(t, name, 999), tokens_at(t, 1));
	cr_expect_null(tokens_by_name(t, name, 1000), "it has expired");
	cr_expect_null(tokens_by_name(t, name + 1, 0));
	cr_expect_eq(tokens_next_expiry(t, 0), 1000);
	cr_expect_eq(tokens_next_expiry(t, 1000), INT64_MAX);
	check_hidden(t, "/stream/0123456789abcdef0123456789abcdef01234567/x", "/stream/***/x");
	check_hidden(t, "/stream/1123456789abcdef0123456789abcdef01234567/x",
		     "/stream/1123456789abcdef0123456789abcdef01234567/x");
	close_tokens(t);
	free(s);
}

static uint32_t print(uint64_t base, const char *token)
{
	struct token_entry e = {.flags = 0};

	tokens_put_hashed(&e, base, token, strlen(token));
	cr_assert_eq(e.print >> TOKEN_PRINT_BITS, 0);
	return e.print;
}

/* Each place of a text with the print of a token costs a digest. */
Test(tokens, a_client_cannot_choose_the_print_of_a_text)
{
	cr_expect_neq(print(BASE, "chief: 5/x"), print(BASE, "hcief: 5/x"));
	cr_expect_neq(print(BASE, "kkkkkkkkkk"), print(BASE + 2, "kkkkkkkkkk"));
	cr_expect_neq(print(BASE, "aaaaaaaaac"), print(BASE, "aaaaaaaabb"));
}

Test(tokens, hides_each_value_wherever_it_is)
{
	struct image *s = image_new();
	struct tokens *t = NULL;
	char longest[TOKEN_BYTES_MAX + 8] = "/";

	strcpy(s->entries[0].token, "a b/c=?");
	memset(longest + 1, 'k', TOKEN_BYTES_MAX);
	strcat(longest, "/x");
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	check_hidden(t, "", "");
	check_hidden(t, "/x?y=z", "/x?y=z");
	check_hidden(t, "living-room", "***");
	check_hidden(t, "/xliving-roomy/living-room?living-room", "/x***y/***?***");
	check_hidden(t, "/living-roomliving-room/", "/***/");
	check_hidden(t, "/living-roo", "/living-roo");
	check_hidden(t, "/living%2Droo%6d/%6Civing-room%", "/***/***%");
	check_hidden(t, "/a b/c=?x", "/***x");
	check_hidden(t, "/?q=a%20b%2fc%3d%3F&r", "/?q=***&r");
	check_hidden(t, "%", "%");
	check_hidden(t, "%4", "%4");
	check_hidden(t, longest, "/***/x");
	close_tokens(t);
	/* one inside of another, one that overlaps, one too short to hide */
	strcpy(s->entries[0].token, "room-9");
	strcpy(s->entries[1].token, "living-room-8");
	strcpy(s->entries[2].token, "abc");
	memset(s->entries[2].token + 3, 0, sizeof(s->entries[2].token) - 3);
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	check_hidden(t, "/abc/living-room-9", "/abc/living-***");
	strcpy(s->entries[0].token, "room");
	close_tokens(t);
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	check_hidden(t, "/living-room-8/room", "/***/***");
	strcpy(s->entries[0].token, "m-8/x");
	close_tokens(t);
	cr_assert_eq(image_open(s, sizeof(*s), &t), 0);
	check_hidden(t, "/living-room-8/x1", "/***1");
	close_tokens(t);
	free(s);
}

Test(tokens, hiding_takes_time_in_proportion_to_the_text, .timeout = 60)
{
	size_t bytes = sizeof(struct tokens_header) + TOKENS_MAX * sizeof(struct token_entry);
	struct tokens_header *header = calloc(1, bytes);
	struct token_entry *entries = (void *)(header + 1);
	char *text = malloc(TOKEN_HIDE_MAX + 1);
	struct tokens *t = NULL;
	int fd;

	cr_assert(header && text);
	*header = header_of(TOKENS_MAX, bytes);
	for (int i = 0; i < TOKENS_MAX; i++)
		snprintf(entries[i].token, sizeof(entries[i].token), "aaaaaaaaaaaaaaaa%04d", i);
	fd = shm_snapshot("test-tokens", header, bytes);
	cr_assert_eq(open_tokens(fd, bytes, &t), 0);
	close(fd);
	for (unsigned i = 0; i < 100; i++) {
		memset(text, 'a', TOKEN_HIDE_MAX + 1);
		cr_assert_eq(tokens_hide(t, text, TOKEN_HIDE_MAX + 1), TOKEN_HIDE_MAX);
	}
	for (int i = 0; i < TOKENS_MAX; i++)
		check_hidden(t, entries[i].token, "***");
	close_tokens(t);
	free(text);
	free(header);
}
