#include <string.h>
#include "common/text/group.h"
#include "unit.h"

Test(group, case_and_white_space_make_no_difference)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{"News", " nEWS\t", true}, {"News", "New", false}, {"", " ", true},
		{"ÄÖÜß", "äöüß", true},	   {"ČŠŽ", "čšž", true},   {"НОВОСТИ", "новости", true},
		{"ΑΘΗΝΑ", "αθηνα", true},  {"ΑΩ", "αω", true},	   {"Ĺ", "ĺ", true},
		{"×", "÷", false},	   {"日本", "日本", true}, {"日本", "日木", false},
	};

	for (size_t i = 0; i < array_size(cases); i++)
		cr_expect_eq(
			group_equal(cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b)),
			cases[i].equal, "%s, %s", cases[i].a, cases[i].b);
	cr_expect(group_in_list("a, b ,,c", "B"));
	cr_expect(!group_in_list("a,,b", ""));
	cr_expect(group_list_empty(" , ,"));
}
