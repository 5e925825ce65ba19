#include <stdio.h>
#include <string.h>
#include "amps-cli/import/m3u.h"
#include "amps-cli/import/m3u_extinf.h"
#include "common/limits.h"
#include "unit.h"

/* What came out, as text: "name|url|group|k=v,..." a line; notes as "!LINE text". */
struct heard {
	struct buf text;
};

static void on_entry(void *owner, const struct m3u_entry *e)
{
	struct heard *h = owner;

	buf_printf(&h->text, "%s|%s|%s|", e->name, e->url, e->group);
	for (size_t i = 0; i < e->pair_count; i++)
		buf_printf(&h->text, "%s=%s,", e->pairs[i].name, e->pairs[i].value);
	buf_putc(&h->text, '\n');
}

static void on_note(void *owner, uint64_t line, const char *text)
{
	buf_printf(&((struct heard *)owner)->text, "!%llu %s\n", (unsigned long long)line, text);
}

/* Feeds `bytes` in pieces of `piece`. */
static int listen_to(const char *bytes, size_t n, size_t piece, struct heard *h)
{
	const struct m3u_events events = {h, on_entry, on_note};
	struct m3u *m = m3u_new(&events);
	int r = 0;

	cr_assert_not_null(m);
	for (size_t at = 0; at < n && r == 0; at += piece)
		r = m3u_feed(m, bytes + at, MIN(piece, n - at));
	if (r == 0)
		r = m3u_end(m);
	m3u_free(m);
	return r;
}

static void expect(const char *playlist, const char *heard)
{
	for (size_t piece = 1; piece < 8; piece += 3) {
		struct heard h = {BUF_INIT};

		cr_assert_eq(listen_to(playlist, strlen(playlist), piece, &h), 0);
		cr_expect_str_eq(h.text.data != NULL ? h.text.data : "", heard, "pieces of %zu",
				 piece);
		buf_done(&h.text);
	}
}

Test(m3u, attributes_name_and_url)
{
	expect("#EXTM3U\n#EXTINF:-1 tvg-ID=\"a\" group-title=\"x, y\",News, the\nhttp://h/1\n",
	       "News, the|http://h/1||tvg-id=a,group-title=x, y,\n");
	expect("#EXTM3U\n#EXTINF:-1,tvg-id=\"a\",News\nu\n", "News|u||tvg-id=a,\n");
	expect("#EXTM3U\n#EXTINF:10.5 a=1 b=\"\",Two words \nu\n", "Two words|u||a=1,\n");
	expect("#EXTM3U\n#EXTINF:-1\nu\n#EXTINF:\nv\n", "|u||\n|v||\n");
	expect("#EXTM3U\n#EXTINF:-1 a=\"1\",Say b=\"2\"\nu\n", "Say b=\"2\"|u||a=1,\n");
}

#define QUOTES "!2 the quotes of a value are ambiguous; it is read up to its likeliest end\n"
#define BLANKS "!2 a value with blanks has no quotes; it ends at the next attribute or comma\n"
#define COMMA  "!2 there is no comma before the name\n"

/* What `extinf` gives: its name and attributes behind the notes. */
static void expect_extinf(const char *extinf, const char *notes, const char *name,
			  const char *pairs)
{
	struct buf playlist = BUF_INIT, heard = BUF_INIT;

	buf_printf(&playlist, "#EXTM3U\n#EXTINF:%s\nu\n", extinf);
	buf_printf(&heard, "%s%s|u||%s\n", notes, name, pairs);
	expect(playlist.data, heard.data);
	buf_done(&playlist);
	buf_done(&heard);
}

Test(m3u, values_in_quotes_of_either_kind)
{
	expect_extinf("-1 a=\"x\"b=\"y\"\tc=\"\" ,N", "", "N", "a=x,b=y,");
	expect_extinf("-1 a=\"x\",Say \"b\", c=\"d\"", "", "Say \"b\", c=\"d\"", "a=x,");
	expect_extinf("-1 a=\"x b=\" c=\"=\",N", "", "N", "a=x b=,c==,");
	expect_extinf("-1 a=\"x\" ? b:c=\"y z\",N", "", "N", "a=x,b:c=y z,");
	expect_extinf("-1 a= \"x, y\" b= c=1,N", "", "N", "a=x, y,c=1,");
	expect_extinf("-1 a='Sports TV' b='say \"x\"',N", "", "N", "a=Sports TV,b=say \"x\",");
	expect_extinf("-1,a='x',N, 'y'", "", "N, 'y'", "a=x,");
	expect_extinf("-1 a='n b=\"it's\",'tis", "", "'tis", "a='n,b=it's,");
}

Test(m3u, quotes_within_a_value_do_not_end_it)
{
	expect_extinf("-1 a=\"He said \"hi\" there\" b=\"y\",N", QUOTES, "N",
		      "a=He said \"hi\" there,b=y,");
	expect_extinf("-1 a=\"The \"x\", y\",N", QUOTES, "N", "a=The \"x\", y,");
	expect_extinf("-1 a=\"The \"x\"\" b=\"5\" TV\",N", QUOTES, "N", "a=The \"x\",b=5\" TV,");
	expect_extinf("-1 a=\"The \"x\" b=\"y\",N", QUOTES, "N", "a=The \"x,b=y,");
	expect_extinf("-1 a='Kid's TV, it's' b=1,N", QUOTES, "N", "a=Kid's TV, it's,b=1,");
}

Test(m3u, quotes_that_are_not_closed)
{
	expect_extinf("-1 a=\"open,News", QUOTES, "News", "a=open,");
	expect_extinf("-1 a=\"two words b=\"y\",N", QUOTES, "N", "a=two words,b=y,");
	expect_extinf("-1 a=\"two words", QUOTES, "", "a=two words,");
	expect_extinf("-1 a=\"", "", "", "");
}

Test(m3u, values_without_quotes_may_contain_blanks)
{
	expect_extinf("-1 a=News  World b=2 c=x y ,N", BLANKS, "N", "a=News  World,b=2,c=x y,");
	expect_extinf("-1 a= x,b=2", "", "b=2", "a=x,");
	expect_extinf("-1 a=O'Neil b=?c=1&d=2,N", "", "N", "a=O'Neil,b=?c=1&d=2,");
}

Test(m3u, a_name_without_a_comma)
{
	expect_extinf("-1 a=\"q\" Two Words", COMMA, "Two Words", "a=q,");
	expect_extinf("-1 a='q' b=x Two Words", COMMA, "Two Words", "a=q,b=x,");
	expect_extinf("-1,a=\"q\" - Name", COMMA, "- Name", "a=q,");
	expect_extinf("-1 3 Name", COMMA, "3 Name", "");
}

Test(m3u, names_of_any_letters)
{
	expect_extinf("-1 größe=\"5\" x:y=\"a b\" a/b=\"q\" tvg-id=\"x\",X", "", "X",
		      "größe=5,x:y=a b,a/b=q,tvg-id=x,");
	expect_extinf("-1 A:B=1 größe=2 @c='3, 4',N", "", "N", "a:b=1,größe=2,@c=3, 4,");
	expect_extinf("-1 a='x' l'heure='5' b=\"y\"d'or=\"z\",N", "", "N",
		      "a=x,l'heure=5,b=y,d'or=z,");
	expect_extinf("-1 a=\"x\" \\=\"y\" <<=\"z\" \x01=1,N", "", "N", "a=x,\\=y,<<=z,_=1,");
	expect_extinf("-1 a= ?b=1 c= http://h/?d=e x= y:z=\"1\",N", "", "N",
		      "a=?b=1,c=http://h/?d=e,y:z=1,");
}

Test(m3u, an_equals_sign_in_the_name_of_a_channel)
{
	expect_extinf("-1 a=\"x\",1+1=2 a Show", "", "1+1=2 a Show", "a=x,");
	expect_extinf("-1,E=mc²", "", "E=mc²", "");
	expect_extinf("-1 a=x,Tom&Jerry=\"fun\", the=\"show\"", "",
		      "Tom&Jerry=\"fun\", the=\"show\"", "a=x,");
	expect_extinf("-1 a=\"x\" 1+1=2 a Show", COMMA, "1+1=2 a Show", "a=x,");
}

Test(m3u, a_name_is_kept_whole_or_left_out_with_a_note)
{
	char longest[M3U_NAME_BYTES];
	struct buf line = BUF_INIT, pairs = BUF_INIT;

	memset(longest, ':', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	buf_printf(&line, "-1 %s=\"1\" %s:=\"2, 3\" b=4,N", longest, longest);
	buf_printf(&pairs, "%s=1,b=4,", longest);
	expect_extinf(line.data, "!2 the name of an attribute is too long; it is left out\n", "N",
		      pairs.data);
	buf_done(&line);
	buf_done(&pairs);
}

/* Searching the whole line once an attribute would take minutes. */
Test(m3u, hostile_quotes_are_read_in_linear_time, .timeout = 60)
{
	static const char *const units[] = {
		" a=\"x", " a= \"x", " a='",   " a=\"x \"y", " a",	" a=\" b=w \"y\" c=w \"z",
		"\" ",	  "a=' ",    "= \"",   "'x",	     " a='x'x", " &=x",
		"x=",	  "\"&",     " &= x'="};

	for (size_t i = 0; i < array_size(units); i++) {
		struct buf text = BUF_INIT;
		struct heard h = {BUF_INIT};

		for (int line = 0; line < 50; line++) {
			size_t end = text.len + M3U_LINE_MAX - 100;

			buf_puts(&text, "#EXTINF:-1 b=\"");
			while (text.len < end)
				buf_puts(&text, units[i]);
			buf_puts(&text, "\nu\n");
		}
		cr_expect_eq(listen_to(text.data, text.len, 4096, &h), 0);
		buf_done(&text);
		buf_done(&h.text);
	}
}

Test(m3u, every_kind_of_line_end)
{
	expect("\xef\xbb\xbf#EXTM3U\r\n\r\n#EXTINF:-1,A\r\nu\r\n", "A|u||\n");
	expect("#EXTM3U\r#EXTINF:-1,A\ru\r#EXTINF:-1,B\rv", "A|u||\nB|v||\n");
	expect("#EXTM3U\n\n  #EXTINF:-1,A\t \n \n  u  ", "A|u||\n");
}

Test(m3u, a_missing_head_is_noted)
{
	expect("\n#EXTINF:-1,A\nu\n", "!2 the file does not begin with #EXTM3U\nA|u||\n");
	expect("", "");
}

Test(m3u, options_belong_to_the_next_url_and_a_group_to_all)
{
	expect("#EXTM3U\n#EXTINF:-1,A\n#EXTVLCOPT:http-user-agent=X=1\n#KODIPROP:a.b=c\n"
	       "#EXTGRP:G\nu\nv\n#EXTGRP:\nw\n",
	       "A|u|G|vlc-http-user-agent=X=1,kodi-a.b=c,\n|v|G|\n|w||\n");
	expect("#EXTM3U\n#EXTINF:-1 x=\"1\",A\n#EXTINF:-1,B\nu\n", "B|u||\n");
}

Test(m3u, options_may_come_before_their_extinf)
{
	expect("#EXTM3U\n#EXTVLCOPT:http-user-agent=X\n#EXTINF:-1 x=\"1\",A\nu\n"
	       "#KODIPROP:a=c\n#EXTGRP:G\n#EXTINF:-1,B\n#EXTVLCOPT:d=e\nv\n#EXTINF:-1,C\nw\n",
	       "A|u||vlc-http-user-agent=X,x=1,\nB|v|G|kodi-a=c,vlc-d=e,\nC|w|G|\n");
	/* those of an entry that has no URL go with it */
	expect("#EXTM3U\n#KODIPROP:a=1\n#EXTINF:-1,A\n#KODIPROP:b=2\n#EXTINF:-1,B\nu\n", "B|u||\n");
}

Test(m3u, latin_1_is_repaired_and_reported_once)
{
	expect("#EXTM3U\n#EXTINF:-1,Caf\xe9\nu\n#EXTINF:-1,\xfc\nv\n",
	       "!2 is not UTF-8; such bytes are taken as Latin-1\nCafé|u||\nü|v||\n");
}

Test(m3u, nul_bytes_are_removed)
{
	static const char bytes[] = "#EXTM3U\nh\0ttp\n";
	struct heard h = {BUF_INIT};

	cr_assert_eq(listen_to(bytes, sizeof(bytes) - 1, 4, &h), 0);
	cr_expect_str_eq(h.text.data, "!2 holds NUL bytes, which are left out\n|http||\n");
	buf_done(&h.text);
}

Test(m3u, utf_16_is_refused)
{
	struct heard h = {BUF_INIT};

	cr_expect_eq(listen_to("\xff\xfe#\0E\0", 6, 1, &h), -EILSEQ);
	buf_done(&h.text);
}

Test(m3u, an_hls_playlist_is_noted)
{
	expect("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n",
	       "!2 this looks like the HLS playlist of one stream, not like a list of channels\n"
	       "|a.ts||\n");
}

/* `begin`, then 'x' up to `n` bytes, then "\nEND\n". */
static void expect_line(const char *begin, size_t n, const char *end, const char *heard)
{
	struct buf text = BUF_INIT;
	struct heard h = {BUF_INIT};

	buf_puts(&text, "#EXTM3U\n");
	buf_puts(&text, begin);
	while (text.len < n + 8)
		buf_putc(&text, 'x');
	buf_puts(&text, end);
	cr_assert_eq(listen_to(text.data, text.len, 1000, &h), 0);
	if (heard != NULL)
		cr_expect_str_eq(h.text.data, heard);
	else
		cr_expect_null(strchr(h.text.data, '!'));
	buf_done(&text);
	buf_done(&h.text);
}

Test(m3u, the_length_of_a_line_is_bounded)
{
	expect_line("u", M3U_LINE_MAX, "\nv\n", NULL);
	expect_line("u", M3U_LINE_MAX + 1, "\nv\n",
		    "!2 the line is too long: its channel is left out\n|v||\n");
	expect_line("#EXTINF:-1,", 10 * M3U_LINE_MAX, "\nu\nv\n",
		    "!2 the line is too long: it is left out\n|v||\n");
}

Test(m3u, the_number_of_attributes_is_bounded)
{
	struct buf text = BUF_INIT;
	struct heard h = {BUF_INIT};

	buf_puts(&text, "#EXTM3U\n#EXTINF:-1");
	for (int i = 0; i <= M3U_PAIRS_MAX; i++)
		buf_printf(&text, " a%d=\"x\"", i);
	buf_puts(&text, ",A\nu\n");
	cr_assert_eq(listen_to(text.data, text.len, 77, &h), 0);
	cr_expect_not_null(strstr(h.text.data, "!2 more attributes"));
	cr_expect_not_null(strstr(h.text.data, ",a63=x,\n"));
	buf_done(&text);
	buf_done(&h.text);
}
