/* source_tls.c - see source_tls.h */
#include "amps-transcoder/source_tls.h"

#include <string.h>
#include <unistd.h>

/* Where distributions keep the authorities they trust: Debian, Fedora, SUSE. */
static const char *const authorities[] = {"/etc/ssl/certs/ca-certificates.crt",
					  "/etc/pki/tls/certs/ca-bundle.crt",
					  "/etc/ssl/ca-bundle.pem"};

static const char *const file_options[] = {"ca_file", "cafile",	  "cert_file",
					   "cert",    "key_file", "key"};

bool source_tls_names_file(const char *option)
{
	for (size_t i = 0; i < array_size(file_options); i++)
		if (!strcmp(option, file_options[i]))
			return true;
	return false;
}

static void copy_option(AVDictionary **d, const AVDictionary *from, const char *name)
{
	const AVDictionaryEntry *e = av_dict_get(from, name, NULL, 0);

	if (e)
		av_dict_set(d, name, e->value, AV_DICT_DONT_OVERWRITE);
}

void source_tls_options(AVDictionary **d, const AVDictionary *operators)
{
	for (size_t i = 0; i < array_size(file_options); i++)
		copy_option(d, operators, file_options[i]);
	copy_option(d, operators, "tls_verify");
	copy_option(d, operators, "verifyhost");
	av_dict_set(d, "tls_verify", "1", AV_DICT_DONT_OVERWRITE);
	for (size_t i = 0; i < array_size(authorities); i++)
		if (!av_dict_get(*d, "ca_file", NULL, 0) && !av_dict_get(*d, "cafile", NULL, 0) &&
		    access(authorities[i], R_OK) == 0)
			av_dict_set(d, "ca_file", authorities[i], 0);
}
