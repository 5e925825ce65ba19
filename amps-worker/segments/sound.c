#include "amps-worker/segments/sound.h"

#include <stdlib.h>
#include <string.h>

/* ISO 639: the two codes of part 2 (the second one only where they differ), that of part 1. */
static const struct language {
	char code[4], other[4], two[3];
	const char *name;
} languages[] = {
	{"afr", "", "af", "Afrikaans"},
	{"ara", "", "ar", "العربية"},
	{"aze", "", "az", "Azərbaycanca"},
	{"bel", "", "be", "Беларуская"},
	{"ben", "", "bn", "বাংলা"},
	{"bos", "", "bs", "Bosanski"},
	{"bre", "", "br", "Brezhoneg"},
	{"bul", "", "bg", "Български"},
	{"cat", "", "ca", "Català"},
	{"ces", "cze", "cs", "Čeština"},
	{"cym", "wel", "cy", "Cymraeg"},
	{"dan", "", "da", "Dansk"},
	{"deu", "ger", "de", "Deutsch"},
	{"ell", "gre", "el", "Ελληνικά"},
	{"eng", "", "en", "English"},
	{"est", "", "et", "Eesti"},
	{"eus", "baq", "eu", "Euskara"},
	{"fas", "per", "fa", "فارسی"},
	{"fin", "", "fi", "Suomi"},
	{"fra", "fre", "fr", "Français"},
	{"fry", "", "fy", "Frysk"},
	{"gla", "", "gd", "Gàidhlig"},
	{"gle", "", "ga", "Gaeilge"},
	{"glg", "", "gl", "Galego"},
	{"heb", "", "he", "עברית"},
	{"hin", "", "hi", "हिन्दी"},
	{"hrv", "", "hr", "Hrvatski"},
	{"hun", "", "hu", "Magyar"},
	{"hye", "arm", "hy", "Հայերեն"},
	{"ind", "", "id", "Bahasa Indonesia"},
	{"isl", "ice", "is", "Íslenska"},
	{"ita", "", "it", "Italiano"},
	{"jpn", "", "ja", "日本語"},
	{"kat", "geo", "ka", "ქართული"},
	{"kaz", "", "kk", "Қазақша"},
	{"kor", "", "ko", "한국어"},
	{"kur", "", "ku", "Kurdî"},
	{"lat", "", "la", "Latina"},
	{"lav", "", "lv", "Latviešu"},
	{"lit", "", "lt", "Lietuvių"},
	{"ltz", "", "lb", "Lëtzebuergesch"},
	{"mkd", "mac", "mk", "Македонски"},
	{"mlt", "", "mt", "Malti"},
	{"msa", "may", "ms", "Bahasa Melayu"},
	{"nld", "dut", "nl", "Nederlands"},
	{"nno", "", "nn", "Nynorsk"},
	{"nob", "", "nb", "Bokmål"},
	{"nor", "", "no", "Norsk"},
	{"oci", "", "oc", "Occitan"},
	{"pol", "", "pl", "Polski"},
	{"por", "", "pt", "Português"},
	{"roh", "", "rm", "Rumantsch"},
	{"ron", "rum", "ro", "Română"},
	{"rus", "", "ru", "Русский"},
	{"slk", "slo", "sk", "Slovenčina"},
	{"slv", "", "sl", "Slovenščina"},
	{"spa", "", "es", "Español"},
	{"sqi", "alb", "sq", "Shqip"},
	{"srp", "", "sr", "Српски"},
	{"swa", "", "sw", "Kiswahili"},
	{"swe", "", "sv", "Svenska"},
	{"tam", "", "ta", "தமிழ்"},
	{"tha", "", "th", "ไทย"},
	{"tur", "", "tr", "Türkçe"},
	{"ukr", "", "uk", "Українська"},
	{"urd", "", "ur", "اردو"},
	{"uzb", "", "uz", "Oʻzbekcha"},
	{"vie", "", "vi", "Tiếng Việt"},
	{"zho", "chi", "zh", "中文"},
};

/* NULL: another one. */
static const struct language *find(const char *name)
{
	for (size_t i = 0; i < array_size(languages); i++)
		if (strncmp(name, languages[i].code, 3) == 0 ||
		    (languages[i].other[0] && strncmp(name, languages[i].other, 3) == 0))
			return &languages[i];
	return NULL;
}

struct sound_facts sound_read(const char *name)
{
	static const struct {
		const char *text;
		enum sound_purpose purpose;
	} purposes[] = {{"-ce", SOUND_CLEAN_EFFECTS},
			{"-hi", SOUND_HEARING_IMPAIRED},
			{"-ad", SOUND_DESCRIPTION}};
	struct sound_facts facts = {.nth = 1};
	const struct language *known = find(name);
	const char *rest = name + strnlen(name, 3);

	if (known)
		memcpy(facts.language, known->two, sizeof(known->two));
	else if (strncmp(name, "und", 3) != 0)
		memcpy(facts.language, name, (size_t)(rest - name));
	for (size_t i = 0; i < array_size(purposes); i++)
		if (strncmp(rest, purposes[i].text, 3) == 0)
			facts.purpose = purposes[i].purpose;
	rest += facts.purpose != SOUND_MAIN ? 3 : 0;
	if (*rest == '-')
		facts.nth = (unsigned)MAX(atoi(rest + 1), 1);
	return facts;
}

void sound_label(struct buf *b, const char *name)
{
	static const char *const purposes[] = {[SOUND_MAIN] = "",
					       [SOUND_CLEAN_EFFECTS] = " (clean effects)",
					       [SOUND_HEARING_IMPAIRED] = " (hearing impaired)",
					       [SOUND_DESCRIPTION] = " (audio description)"};
	struct sound_facts facts = sound_read(name);
	const struct language *known = find(name);

	if (!facts.language[0])
		buf_printf(b, "%u", facts.nth);
	else
		buf_puts(b, known ? known->name : facts.language);
	buf_puts(b, purposes[facts.purpose]);
	if (facts.language[0] && facts.nth > 1)
		buf_printf(b, " %u", facts.nth);
}
