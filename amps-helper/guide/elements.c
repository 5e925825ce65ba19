#include "amps-helper/guide/elements.h"

#include <assert.h>
#include <string.h>

#define P "programme"

static const struct guide_element elements[] = {
	[GUIDE_ELEMENT_TITLE] = {"title", P, CONTENT_TEXT_NEEDED, .attributes = "lang "},
	{"sub-title", P, CONTENT_TEXT_NEEDED, .attributes = "lang "},
	[GUIDE_ELEMENT_DESC] = {"desc", P, CONTENT_TEXT_NEEDED, .attributes = "lang "},
	{"credits", P, CONTENT_ELEMENTS, .once = true},
	{"date", P, CONTENT_TEXT_NEEDED, .once = true},
	{"category", P, CONTENT_TEXT_NEEDED, .attributes = "lang "},
	{"keyword", P, CONTENT_TEXT_NEEDED, .attributes = "lang "},
	{"language", P, CONTENT_TEXT_NEEDED, .once = true, .attributes = "lang "},
	{"orig-language", P, CONTENT_TEXT_NEEDED, .once = true, .attributes = "lang "},
	{"length", P, CONTENT_TEXT_NEEDED, .once = true, .attributes = "units ", .needs = "units"},
	{"icon", P, CONTENT_EMPTY, .attributes = "src width height ", .needs = "src"},
	{"url", P, CONTENT_TEXT_NEEDED, .attributes = "system "},
	{"country", P, CONTENT_TEXT_NEEDED, .attributes = "lang "},
	{"episode-num", P, CONTENT_TEXT_NEEDED, .attributes = "system "},
	{"video", P, CONTENT_ELEMENTS, .once = true},
	{"audio", P, CONTENT_ELEMENTS, .once = true},
	{"previously-shown", P, CONTENT_EMPTY, .once = true, .attributes = "start channel "},
	{"premiere", P, CONTENT_TEXT, .once = true, .attributes = "lang "},
	{"last-chance", P, CONTENT_TEXT, .once = true, .attributes = "lang "},
	{"new", P, CONTENT_EMPTY, .once = true},
	{"subtitles", P, CONTENT_ELEMENTS, .attributes = "type "},
	{"rating", P, CONTENT_ELEMENTS, .attributes = "system "},
	{"star-rating", P, CONTENT_ELEMENTS, .attributes = "system "},
	{"review", P, CONTENT_TEXT_NEEDED, .attributes = "type source reviewer lang ",
	 .needs = "type"},
	{"image", P, CONTENT_TEXT_NEEDED, .attributes = "type size orient system "},
	{"director", "credits", .content = CONTENT_TEXT_NEEDED},
	{"actor", "credits", CONTENT_TEXT_NEEDED, .attributes = "role guest "},
	{"writer", "credits", .content = CONTENT_TEXT_NEEDED},
	{"adapter", "credits", .content = CONTENT_TEXT_NEEDED},
	{"producer", "credits", .content = CONTENT_TEXT_NEEDED},
	{"composer", "credits", .content = CONTENT_TEXT_NEEDED},
	{"editor", "credits", .content = CONTENT_TEXT_NEEDED},
	{"presenter", "credits", .content = CONTENT_TEXT_NEEDED},
	{"commentator", "credits", .content = CONTENT_TEXT_NEEDED},
	{"guest", "credits", .content = CONTENT_TEXT_NEEDED},
	{"present", "video", CONTENT_TEXT_NEEDED, .once = true},
	{"colour", "video", CONTENT_TEXT_NEEDED, .once = true},
	{"aspect", "video", CONTENT_TEXT_NEEDED, .once = true},
	{"quality", "video", CONTENT_TEXT_NEEDED, .once = true},
	{"present", "audio", CONTENT_TEXT_NEEDED, .once = true},
	{"stereo", "audio", CONTENT_TEXT_NEEDED, .once = true},
	{"language", "subtitles", CONTENT_TEXT_NEEDED, .once = true, .attributes = "lang "},
	{"value", "rating", CONTENT_TEXT_NEEDED, .once = true, .needed = true},
	{"icon", "rating", CONTENT_EMPTY, .attributes = "src width height ", .needs = "src"},
	{"value", "star-rating", CONTENT_TEXT_NEEDED, .once = true, .needed = true},
	{"icon", "star-rating", CONTENT_EMPTY, .attributes = "src width height ", .needs = "src"},
};

int guide_element_find(const char *name, const char *parent)
{
	for (size_t i = 0; i < array_size(elements); i++)
		if (strcmp(elements[i].name, name) == 0 && strcmp(elements[i].parent, parent) == 0)
			return (int)i;
	return -1;
}

const struct guide_element *guide_element_at(int number)
{
	assert(number >= 0 && (size_t)number < array_size(elements));
	return &elements[number];
}
